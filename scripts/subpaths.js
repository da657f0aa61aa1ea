/**
 * The subpaths that users import, and the source file of each. To add one, add a line: the build makes its files, and
 * writes it to `exports` and `typesVersions` of package.json.
 */
export const SUBPATHS = {
  '.': 'src/index.ts',
  './memory': 'src/adapters/memory/index.ts',
  './ioredis': 'src/adapters/ioredis/index.ts',
  './pubsub': 'src/pubsub/index.ts',
  './bullmq': 'src/adapters/bullmq/index.ts',
  './tsyringe': 'src/adapters/tsyringe/index.ts',
  './inversify': 'src/adapters/inversify/index.ts',
  './awilix': 'src/adapters/awilix/index.ts',
  './typedi': 'src/adapters/typedi/index.ts',
  './typed-inject': 'src/adapters/typed-inject/index.ts',
  './msgpackr': 'src/adapters/msgpackr/index.ts',
  './nestjs': 'src/adapters/nestjs/index.ts',
  './http': 'src/adapters/http/index.ts',
  './express': 'src/adapters/express/index.ts',
  './fastify': 'src/adapters/fastify/index.ts',
  './hono': 'src/adapters/hono/index.ts',
  './express-rate-limit': 'src/adapters/express-rate-limit/index.ts',
  './fastify-rate-limit': 'src/adapters/fastify-rate-limit/index.ts',
  './session': 'src/core/sessions/index.ts',
  './express-session': 'src/adapters/express-session/index.ts',
  './fastify-session': 'src/adapters/fastify-session/index.ts',
  './postgres': 'src/adapters/postgres/index.ts',
  './testing': 'src/testing/index.ts',
  './testing/contract': 'src/testing/contract/index.ts',
};

/** The name of its files in dist: `.` -> index, `./memory` -> memory */
export function fileOf(subpath) {
  return subpath === '.' ? 'index' : subpath.slice('./'.length);
}

/** `exports`: which file each kind of import gets, and which types. */
export function exportsOf() {
  const subpaths = Object.keys(SUBPATHS).map((subpath) => [
    subpath,
    {
      import: { types: file(subpath, 'd.ts'), default: file(subpath, 'js') },
      require: { types: file(subpath, 'd.cts'), default: file(subpath, 'cjs') },
    },
  ]);
  return { ...Object.fromEntries(subpaths), './package.json': './package.json' };
}

/** `typesVersions`: the same for `moduleResolution: node`, which ignores `exports`. It finds the root by `types`. */
export function typesVersionsOf() {
  const subpaths = Object.keys(SUBPATHS).filter((subpath) => subpath !== '.');
  return { '*': Object.fromEntries(subpaths.map((subpath) => [fileOf(subpath), [file(subpath, 'd.cts')]])) };
}

function file(subpath, extension) {
  return `./dist/${fileOf(subpath)}.${extension}`;
}
