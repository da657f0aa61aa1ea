import { execFile } from 'node:child_process';
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { projectFolder } from '../support/project-folder.js';
import { COMMONJS, ESM, EVERY_SETTINGS, NODE10 } from './compiler-settings.js';
import { createConsumer, pack, type ConsumerProject } from './consumer-project.js';
import { reachablePackages } from './reachable-imports.js';

interface Target {
  readonly types: string;
  readonly default: string;
}

interface Manifest {
  readonly main: string;
  readonly types: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly import: Target; readonly require: Target }>>;
  readonly typesVersions: { readonly '*': Readonly<Record<string, readonly string[]>> };
}

const run = promisify(execFile);

/** Subpaths that are there for the sake of peers, and those peers. All others need none. */
const PEERS: Readonly<Record<string, readonly string[]>> = {
  './ioredis': ['ioredis'],
  './bullmq': ['bullmq', 'ioredis'],
  './tsyringe': ['tsyringe', 'reflect-metadata'],
  './awilix': ['awilix'],
  './typedi': ['typedi', 'reflect-metadata'],
  './typed-inject': ['typed-inject'],
  './express': ['express', '@types/express'],
  './fastify': ['fastify'],
  './hono': ['hono'],
  './msgpackr': ['msgpackr'],
  './express-session': ['express-session', '@types/express-session'],
  './fastify-session': ['@fastify/session', '@fastify/cookie', 'fastify'],
  './nestjs': ['@nestjs/common', '@nestjs/core', 'reflect-metadata', 'rxjs'],
};

/**
 * What the programs in `consumers/` print, the peers that each needs, as our devDependencies call them, and how it is
 * compiled.
 */
const CONSUMERS = [
  { source: 'bare', peers: [], settings: EVERY_SETTINGS, prints: 'loads: 2, recorded: 1, messages: Bea' },
  { source: 'ioredis', peers: ['ioredis'], settings: EVERY_SETTINGS, prints: 'adapters: 4 of ioredis' },
  { source: 'ioredis', peers: ['ioredis5'], settings: [ESM, COMMONJS], prints: 'adapters: 4 of ioredis' },
  {
    source: 'tsyringe',
    peers: ['tsyringe', 'reflect-metadata'],
    settings: EVERY_SETTINGS,
    prints: 'loads: 1',
  },
  {
    source: 'inversify',
    peers: ['inversify', 'reflect-metadata'],
    settings: [ESM, COMMONJS],
    prints: 'keys: 1',
  },
  {
    source: 'inversify',
    peers: ['inversify7', 'reflect-metadata'],
    settings: [ESM, COMMONJS],
    prints: 'keys: 1',
  },
  { source: 'awilix', peers: ['awilix'], settings: [ESM, COMMONJS], prints: 'keys: 1' },
  { source: 'typedi', peers: ['typedi', 'reflect-metadata'], settings: [ESM, COMMONJS], prints: 'keys: 1' },
  { source: 'typed-inject', peers: ['typed-inject'], settings: [ESM, COMMONJS], prints: 'keys: 1' },
  {
    source: 'express-session',
    peers: ['express-session', '@types/express-session'],
    settings: [ESM, COMMONJS, NODE10],
    prints: 'express: found 1, destroyed',
  },
  {
    source: 'fastify-session',
    peers: ['@fastify/session', '@fastify/cookie', 'fastify'],
    settings: [ESM, COMMONJS],
    prints: 'fastify: found 1, destroyed',
  },
  {
    source: 'bullmq',
    peers: ['bullmq', 'ioredis'],
    settings: [ESM, COMMONJS],
    prints: 'queue emails of shop',
  },
  { source: 'msgpackr', peers: ['msgpackr'], settings: [ESM, COMMONJS], prints: 'user 1, byte 0xd4' },
] as const;

let packed: string;
let tarball: string;
/** By the peers that are installed in each. */
const projects = new Map<string, Promise<ConsumerProject>>();
/** The package as installed where no peer is. */
let installed: string;
let manifest: Manifest;

test.before('pack, and install in an empty project', async () => {
  packed = await mkdtemp(path.join(tmpdir(), 'cachement-packed-'));
  tarball = await pack(packed);
  installed = path.join((await projectWith([])).folder, 'node_modules/cachement');
  manifest = JSON.parse(await readFile(path.join(installed, 'package.json'), 'utf8')) as Manifest;
});

test.after.always('remove the projects', async () => {
  for (const project of projects.values()) await (await project.catch(() => undefined))?.remove();
  if (packed !== undefined) await rm(packed, { recursive: true, force: true });
});

function projectWith(peers: readonly string[]): Promise<ConsumerProject> {
  const name = peers.join(' ');
  const project = projects.get(name) ?? createConsumer(tarball, peers);
  projects.set(name, project);
  return project;
}

/** Name in the exports, name for users, and files, of every subpath that is code. */
function subpaths() {
  return Object.entries(manifest.exports).flatMap(([name, target]) =>
    typeof target === 'string'
      ? []
      : [
          {
            name,
            specifier: path.posix.join('cachement', name),
            peers: PEERS[name] ?? [],
            files: [target.import, target.require].flatMap((side) => [side.default, side.types]),
          },
        ],
  );
}

async function filesIn(extension: string): Promise<readonly string[]> {
  const dist = path.join(installed, 'dist');
  const names = (await readdir(dist, { recursive: true })).filter((name) => name.endsWith(extension));
  return names.map((name) => path.join(dist, name));
}

// --- What is in it ---

test('the package contains the build and the docs, and nothing else', async (t) => {
  const { stdout } = await run('tar', ['-tzf', tarball]);
  const files = stdout.trim().split('\n');
  t.true(files.includes('package/dist/index.js'));
  t.true(files.includes('package/dist/index.cjs'));
  const expected =
    /^package\/(dist\/.+\.(c?js|c?js\.map|d\.c?ts)|dist\/bundled-licenses\.txt|docs\/.+|package\.json|LICENSE|README\.md|CHANGELOG\.md)$/;
  t.deepEqual(
    files.filter((file) => !expected.test(file)),
    [],
  );
});

test('it has few files: at most six per subpath with maps, and shared chunks', async (t) => {
  const own = subpaths().flatMap(({ files }) => files.map((file) => path.join(installed, file)));
  const others = (await filesIn('js')).filter((file) => !own.includes(file));
  t.true(others.length < subpaths().length, others.join());
  t.deepEqual(
    others.filter((file) => path.basename(path.dirname(file)) !== 'shared'),
    [],
  );
});

test('every file in package.json exists', async (t) => {
  const older = Object.values(manifest.typesVersions['*']).flat();
  const named = [manifest.main, manifest.types, ...older, ...subpaths().flatMap(({ files }) => files)];
  t.true(named.length >= 4 * subpaths().length);
  for (const file of named) await t.notThrowsAsync(access(path.join(installed, file)), file);
  t.deepEqual(
    ['.', ...Object.keys(manifest.typesVersions['*']).map((name) => `./${name}`)],
    subpaths().map(({ name }) => name),
  );
});

test('installing it installs no peer', async (t) => {
  const { folder } = await projectWith([]);
  const optional = Object.keys(manifest.peerDependencies);
  t.true(optional.length > 0);
  for (const peer of optional) {
    await t.throwsAsync(access(path.join(folder, 'node_modules', peer, 'package.json')), { code: 'ENOENT' });
  }
});

test('neither code nor declarations of a subpath import a peer of another subpath', async (t) => {
  for (const { name, peers, files } of subpaths()) {
    for (const file of files) {
      const allowed = [...Object.keys(manifest.dependencies), ...peers];
      const foreign = [...(await reachablePackages(path.join(installed, file)))].filter(
        (found) => !found.startsWith('node:') && !allowed.includes(found),
      );
      t.deepEqual(foreign, [], `in what ${file} reaches, of ${name}`);
    }
  }
});

test('internals are not declared', async (t) => {
  const declarations = await filesIn('.d.cts');
  t.true(declarations.length >= subpaths().length);
  for (const file of declarations)
    t.notRegex(await readFile(file, 'utf8'), /@internal|readonly engine\b/, file);
});

test('no CommonJS file requires a package that is ESM only', async (t) => {
  const { resolve } = createRequire(path.join(projectFolder, 'package.json'));
  const required = new Map<string, string>();
  for (const file of await filesIn('.cjs')) {
    for (const name of await reachablePackages(file)) if (!name.startsWith('node:')) required.set(name, file);
  }
  t.true(required.has('redlock'));
  for (const [name, file] of required) t.true(await isCommonJs(resolve(name)), `${name}, in ${file}`);
});

async function isCommonJs(file: string): Promise<boolean> {
  if (/\.[cm]js$/.test(file)) return file.endsWith('.cjs');
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const text = await readFile(path.join(folder, 'package.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) return (JSON.parse(text) as { type?: unknown }).type !== 'module';
  }
}

test('every code file has its source map, and bundled code its license', async (t) => {
  const licenses = await readFile(path.join(installed, 'dist/bundled-licenses.txt'), 'utf8');
  const files = [...(await filesIn('.js')), ...(await filesIn('.cjs'))];
  const bundled = new Set<string>();
  for (const file of files) {
    t.regex(
      await readFile(file, 'utf8'),
      new RegExp(`^//# sourceMappingURL=${path.basename(file)}\\.map$`, 'm'),
    );
    const map = JSON.parse(await readFile(`${file}.map`, 'utf8')) as {
      readonly sources: readonly string[];
      readonly sourcesContent: readonly unknown[];
    };
    t.true(map.sources.every((_, i) => typeof map.sourcesContent[i] === 'string'));
    for (const source of map.sources) {
      const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source) ?? [];
      if (name !== undefined) bundled.add(name);
      else t.regex(source, /\/src\/.+\.ts$/);
    }
  }
  t.deepEqual([...bundled], ['devalue']);
  for (const name of bundled) t.true(licenses.includes(`${name}:\n`));
});

test('the code is Latin-1 only, which compiles faster', async (t) => {
  for (const file of [...(await filesIn('.js')), ...(await filesIn('.cjs'))]) {
    t.notRegex(await readFile(file, 'utf8'), /[^\0-\u00ff]/, file);
  }
});

// --- What it does in projects of others ---

test.serial('import(), require() and the declarations of a subpath have the same names', async (t) => {
  for (const { specifier, peers } of subpaths()) {
    const project = await projectWith(peers);
    const before = peers.includes('reflect-metadata') ? "require('reflect-metadata');" : '';
    const code = `${before}
      const required = Object.keys(require('${specifier}'));
      import('${specifier}').then((imported) => {
        console.log(JSON.stringify([required.sort(), Object.keys(imported).sort()]));
      });`;
    const [required, imported] = JSON.parse(await project.run(code, 'commonjs')) as readonly string[][];
    t.true(required!.length > 0, specifier);
    t.deepEqual(required, imported, specifier);
    const text = `
      import type * as subpath from '${specifier}';
      export const names: Record<keyof typeof subpath, true> = { ${required!.map((name) => `${name}: true`).join()} };`;
    await t.notThrowsAsync(project.compile(text, COMMONJS), specifier);
  }
});

for (const { source, peers, settings, prints } of CONSUMERS) {
  const beside = peers.length === 0 ? 'without peers' : `with ${peers.join(' and ')}`;
  for (const one of settings) {
    test.serial(`a strict TypeScript project ${beside} compiles and runs (${one.name})`, async (t) => {
      const project = await projectWith(peers);
      t.is(await project.compileAndRun(source, one), prints);
    });
  }
}

for (const settings of [ESM, COMMONJS, NODE10]) {
  test.serial(
    `a strict TypeScript project with standard decorators compiles and runs (${settings.name})`,
    async (t) => {
      const project = await projectWith([]);
      t.is(await project.compileAndRun('bare', settings, 'standard'), 'loads: 2, recorded: 1, messages: Bea');
    },
  );
}

test.serial('types are compatible between ESM and CommonJS', async (t) => {
  const project = await projectWith([]);
  t.is(await project.compileAndRun('mixed', COMMONJS), 'namespace: mixed, known: true');
});

for (const type of ['module', 'commonjs'] as const) {
  const get =
    type === 'module' ? "import { Caching } from 'cachement';" : "const { Caching } = require('cachement');";
  const fail = `${get} try { new Caching({}); } catch (error) { console.log(error.stack); }`;

  test.serial(`with --enable-source-maps a stack trace names lines of src (${type})`, async (t) => {
    const stack = await (await projectWith([])).run(fail, type, ['--enable-source-maps']);
    const [, file, line] = /cachement\/src\/(\S+\.ts):(\d+):\d+/.exec(stack) ?? [];
    const source = await readFile(path.join(projectFolder, 'src', String(file)), 'utf8');
    t.regex(String(source.split('\n')[Number(line) - 1]), /throw new OptionsError/);
  });

  test.serial(
    `without --enable-source-maps a stack trace names functions as in the source (${type})`,
    async (t) => {
      const stack = await (await projectWith([])).run(fail, type);
      t.regex(stack, /^OptionsError: /);
      t.regex(stack, /at new Caching \(.*cachement\/dist\/shared\/core\.c?js:\d+/);
    },
  );
}
