import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { createConsumer, pack, type ConsumerProject } from './consumer-project.js';
import { reachablePackages } from './reachable-imports.js';

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>;
}

const run = promisify(execFile);

/** Subpaths that are there for the sake of peers, and those peers. All others need none. */
const PEERS: Readonly<Record<string, readonly string[]>> = {
  './ioredis': ['ioredis'],
  './tsyringe': ['tsyringe', 'reflect-metadata'],
};

let packed: string;
let tarball: string;
/** Has no peer installed. */
let bare: ConsumerProject;
/** The package as installed in it. */
let installed: string;
let manifest: Manifest;

test.before('pack, and install in an empty project', async () => {
  packed = await mkdtemp(path.join(tmpdir(), 'cachement-packed-'));
  tarball = await pack(packed);
  bare = await createConsumer(tarball, []);
  installed = path.join(bare.folder, 'node_modules/cachement');
  manifest = JSON.parse(await readFile(path.join(installed, 'package.json'), 'utf8')) as Manifest;
});

test.after.always('remove the project', async () => {
  await bare?.remove();
  if (packed !== undefined) await rm(packed, { recursive: true, force: true });
});

/** Name in the exports, name for users, and files, of every subpath that is code. */
function subpaths() {
  return Object.entries(manifest.exports).flatMap(([name, target]) =>
    typeof target === 'string' ? [] : [{ name, specifier: path.posix.join('cachement', name), ...target }],
  );
}

test('the package holds what is built and documented, and nothing else', async (t) => {
  const { stdout } = await run('tar', ['-tzf', tarball]);
  const files = stdout.trim().split('\n');
  t.true(files.includes('package/dist/index.js'));
  t.true(files.includes('package/dist/index.d.ts'));
  t.deepEqual(
    files.filter(
      (file) =>
        !/^package\/(dist\/.+\.(js|d\.ts)|docs\/.+|package\.json|LICENSE|README\.md|CHANGELOG\.md)$/.test(
          file,
        ),
    ),
    [],
  );
});

test('installing it installs no peer', async (t) => {
  const optional = Object.keys(manifest.peerDependencies);
  t.true(optional.length > 0);
  for (const peer of optional) {
    await t.throwsAsync(readFile(path.join(bare.folder, 'node_modules', peer, 'package.json')), {
      code: 'ENOENT',
    });
  }
});

for (const extension of ['.js', '.d.ts'] as const) {
  test(`no ${extension} file of a subpath names a peer of another one, nor anything not installed with it`, async (t) => {
    for (const { name, types, default: code } of subpaths()) {
      const entry = path.join(installed, extension === '.js' ? code : types);
      const allowed = [...Object.keys(manifest.dependencies), ...(PEERS[name] ?? [])];
      const foreign = [...(await reachablePackages(entry, extension))].filter(
        (found) => !found.startsWith('node:') && !allowed.includes(found),
      );
      t.deepEqual(foreign, [], `in what ${name} reaches`);
    }
  });
}

test('import() and require() give the same module for every subpath that needs no peer', async (t) => {
  const specifiers = subpaths().flatMap(({ name, specifier }) => (name in PEERS ? [] : [specifier]));
  t.true(specifiers.includes('cachement'));
  for (const specifier of specifiers) {
    const code = `
      const required = require('${specifier}');
      import('${specifier}').then((imported) => {
        const names = Object.keys(imported);
        console.log(names.length > 0 && names.every((name) => imported[name] === required[name]));
      });`;
    const { stdout } = await run(process.execPath, ['--input-type=commonjs', '--eval', code], {
      cwd: bare.folder,
    });
    t.is(stdout.trim(), 'true', specifier);
  }
});

for (const type of ['module', 'commonjs'] as const) {
  for (const decorators of ['legacy', 'standard'] as const) {
    test(`a strict TypeScript project without peers compiles and runs (${type}, ${decorators} decorators)`, async (t) => {
      t.is(await bare.compileAndRun('bare', { type, decorators }), 'loads: 2, recorded: 1');
    });
  }
}

for (const client of ['ioredis', 'ioredis5'] as const) {
  test(`a strict TypeScript project with ${client === 'ioredis' ? 'ioredis 6' : 'ioredis 5'} compiles and runs`, async (t) => {
    const project = await createConsumer(tarball, [client]);
    t.teardown(project.remove);
    for (const type of ['module', 'commonjs'] as const) {
      const printed = await project.compileAndRun('ioredis', { type, decorators: 'legacy' });
      t.is(printed, 'adapters: ioredis, ioredis, ioredis, ioredis');
    }
  });
}

test('a strict TypeScript project with tsyringe compiles and runs', async (t) => {
  const project = await createConsumer(tarball, ['tsyringe', 'reflect-metadata']);
  t.teardown(project.remove);
  for (const type of ['module', 'commonjs'] as const) {
    t.is(await project.compileAndRun('tsyringe', { type, decorators: 'legacy' }), 'loads: 1');
  }
});
