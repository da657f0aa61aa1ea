/**
 * npm run check:layers: which folder of src may import from which, types included. Each arrow is here once; an import
 * that follows none of them fails the check. The linter finds circles within a folder.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const KERNEL = ['core/shared', 'core/ports'];
const FEATURE = [...KERNEL, 'core/keys', 'core/values'];

const LAYERS = {
  'core/ports': [],
  'core/shared': ['core/ports'],
  'core/keys': ['core/shared'],
  'core/values': ['core/shared'],
  'core/seal': KERNEL,
  'core/l1': FEATURE,
  // Features do not import each other.
  'core/cache': [...FEATURE, 'core/l1'],
  'core/limits': FEATURE,
  'core/locks': FEATURE,
  'core/messages': FEATURE,
  'core/caching': ['core/cache', 'core/l1', 'core/limits', 'core/locks', 'core/seal', ...FEATURE],
  'core/sessions': [...FEATURE, 'core/caching'],
  'core/pubsub': ['core/caching', 'core/messages', 'core/shared'],
  decorators: ['core'],
  index: ['core', 'decorators'],
  pubsub: ['core', 'decorators'],
  // Adapters implement ports. Nothing but `testing` imports them.
  'adapters/ioredis': [...KERNEL, 'core/keys', 'core/limits/algorithms'],
  'adapters/memory': [...KERNEL, 'core/limits'],
  'adapters/bullmq': [...FEATURE, 'core/caching', 'decorators'],
  'adapters/tsyringe': ['core/shared', 'core/caching', 'decorators'],
  'adapters/inversify': ['core/shared', 'core/caching', 'decorators'],
  'adapters/awilix': ['core/shared', 'core/caching', 'decorators'],
  'adapters/typedi': ['core/shared', 'core/caching', 'decorators'],
  'adapters/typed-inject': ['core/shared', 'core/caching', 'decorators'],
  'adapters/msgpackr': ['core/values'],
  'adapters/http': ['core/shared', 'core/ports', 'core/keys', 'core/cache', 'core/limits', 'core/caching'],
  'adapters/express': ['adapters/http'],
  'adapters/fastify': ['adapters/http'],
  'adapters/hono': ['adapters/http'],
  'adapters/nestjs': ['core/shared', 'core/limits', 'core/caching', 'decorators', 'adapters/http'],
  'adapters/express-rate-limit': ['core/shared', 'core/limits', 'core/caching', 'adapters/http'],
  'adapters/fastify-rate-limit': ['core/shared', 'core/limits', 'core/caching', 'adapters/http'],
  // Two stores with one implementation, which has no subpath.
  'adapters/session-store': [
    'core/shared',
    'core/ports',
    'core/keys',
    'core/values',
    'core/sessions',
    'core/caching',
  ],
  'adapters/express-session': ['core/shared', 'core/caching', 'core/sessions', 'adapters/session-store'],
  'adapters/fastify-session': ['core/shared', 'core/caching', 'core/sessions', 'adapters/session-store'],
  'adapters/postgres': [...KERNEL, 'core/keys', 'core/cache', 'core/caching'],
  testing: ['core', 'adapters/memory'],
};

const source = path.resolve(import.meta.dirname, '../src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const violations = files.flatMap((file) => {
  const layer = layerOf(file);
  if (layer === undefined) return [`src/${file} is in no layer.`];
  return importsOf(file)
    .filter((imported) => !LAYERS[layer].some((allowed) => isIn(imported, allowed)) && !isIn(imported, layer))
    .map((imported) => `src/${file} imports src/${imported}: ${layer} may not.`);
});
for (const violation of violations) console.error(violation);
if (violations.length > 0) {
  console.error('The layers are in scripts/check-layers.js.');
  process.exitCode = 1;
}

function layerOf(file) {
  return Object.keys(LAYERS).find((layer) => isIn(file, layer));
}

function isIn(file, layer) {
  return file === layer + '.ts' || file.startsWith(layer + '/');
}

/** Relative to src. */
function importsOf(file) {
  const text = readFileSync(path.join(source, file), 'utf8');
  const specifiers = [...text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']*)'/g)].map(
    ([, specifier]) => specifier,
  );
  return specifiers.map((specifier) =>
    path.join(path.dirname(file), specifier).replace(/\.js$/, '.ts').replaceAll('\\', '/'),
  );
}
