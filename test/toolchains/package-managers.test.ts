import { access, copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { filesOf } from '../docs/code-blocks.js';
import { pack } from '../package/consumer-project.js';
import { redisForFile } from '../support/servers.js';
import { forStandardDecorators, LIBRARY, ONE_PLAIN_READ, ONE_READ, reportOf } from './library.js';
import { copyOf, npmInstall, programIn, writeFiles, type Program } from './toolchain-project.js';

const redis = redisForFile(test);
const folders: string[] = [];
/** Where npm has installed pnpm and Bun. */
let managers: string;
/** The packed package. */
let tarball: string;

test.before('pack, and install pnpm and Bun', async (t) => {
  t.timeout(240_000);
  managers = await copyOf('package-managers');
  folders.push(managers);
  await npmInstall(managers);
  const packed = await mkdtemp(path.join(tmpdir(), 'cachement-packed-'));
  folders.push(packed);
  tarball = await pack(packed);
});

test.after.always('remove all of it', async () => {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** A project with nothing installed, whose commands are pnpm and Bun. */
async function projectOf(name: string, settings: string): Promise<Program> {
  const folder = await copyOf(name);
  folders.push(folder);
  await copyFile(tarball, path.join(folder, 'cachement.tgz'));
  const sources = name === 'library' ? LIBRARY : {};
  await writeFiles(folder, { ...sources, ...filesOf('toolchains.md', settings) });
  return programIn(folder, path.join(managers, 'node_modules/.bin'));
}

async function pnpmAdd(project: Program): Promise<void> {
  const stores = ['--store-dir', path.join(managers, 'store'), '--cache-dir', path.join(managers, 'cache')];
  const { exitCode, output } = await project.command('pnpm', 'add', ...stores, './cachement.tgz');
  if (exitCode !== 0) throw new Error(output);
}

async function bunAdd(project: Program, ...packages: readonly string[]): Promise<void> {
  const cache = ['--cache-dir', path.join(managers, 'bun-cache')];
  const { exitCode, output } = await project.command('bun', 'add', ...cache, './cachement.tgz', ...packages);
  if (exitCode !== 0) throw new Error(output);
}

async function compile(project: Program): Promise<void> {
  const { exitCode, output } = await project.node('node_modules/typescript/bin/tsc');
  if (exitCode !== 0) throw new Error(output);
}

test('pnpm: a project without any peer compiles and runs, and only the subpath of a peer misses it', async (t) => {
  const project = await projectOf('without-peers', 'pnpm');
  await pnpmAdd(project);
  const installed = await readdir(path.join(project.folder, 'node_modules'));
  t.deepEqual(installed.filter((name) => !name.startsWith('.')).sort(), [
    '@types',
    'cachement',
    'typescript',
  ]);
  await compile(project);
  const { stdout } = await project.node('dist/main.js');
  t.deepEqual(stdout.trim().split('\n'), [
    '{"reads":1,"lease":["stock:7"]}',
    'ERR_MODULE_NOT_FOUND: ioredis',
  ]);
});

const ON_REDIS = { readsBefore: 1, reads: 2, lease: ['stock:7'], ordered: 'ada' };

test('pnpm: beside ioredis, a project runs on Redis: what the package needs is its own to find', async (t) => {
  const project = await projectOf('redis', 'pnpm');
  await pnpmAdd(project);
  await t.throwsAsync(access(path.join(project.folder, 'node_modules/redlock')), { code: 'ENOENT' });
  await compile(project);
  const { stdout, output } = await project.node('dist/main.js', redis().url, 'pnpm');
  t.notThrows(() => JSON.parse(stdout), output);
  t.deepEqual(JSON.parse(stdout), ON_REDIS);
});

test('Bun installs the package, and runs both kinds of decorators, constructor injection and tests', async (t) => {
  const project = await projectOf('library', 'Bun');
  await bunAdd(project, 'reflect-metadata@0.2.2', 'tsyringe@4.10.0');
  t.deepEqual(reportOf(await project.command('bun', 'src/main.ts')), ONE_READ);
  t.deepEqual(reportOf(await project.command('bun', 'src/explicit.ts')), ONE_READ);
  t.deepEqual(reportOf(await project.command('bun', 'src/plain-main.ts')), ONE_PLAIN_READ);
  const { exitCode, output } = await project.command('bun', 'test');
  t.is(exitCode, 0, output);
  t.regex(output, / 3 pass\n 0 fail\n/);
  await writeFiles(project.folder, forStandardDecorators(filesOf('toolchains.md', 'Bun')));
  t.deepEqual(reportOf(await project.command('bun', 'src/plain-main.ts')), ONE_PLAIN_READ);
});

test('Bun bundles: minified, default keys are shortened with the names of classes, keep-names or not', async (t) => {
  const project = await projectOf('library', 'Bun');
  await bunAdd(project, 'reflect-metadata@0.2.2', 'tsyringe@4.10.0');
  const build = async (...flags: readonly string[]) => {
    const to = ['--target=node', '--outfile=dist/out.mjs'];
    const { exitCode, output } = await project.command('bun', 'build', 'src/main.ts', ...to, ...flags);
    t.is(exitCode, 0, output);
    return reportOf(await project.node('dist/out.mjs'));
  };
  t.deepEqual(await build('--minify-whitespace', '--minify-syntax'), ONE_READ);
  for (const flags of [['--minify'], ['--minify', '--keep-names']]) {
    const { reads, keys, warnings } = await build(...flags);
    t.deepEqual([reads, warnings], [[1], ['CACHEMENT_SHORT_NAME']]);
    t.notRegex(keys[0]!, /Books/);
  }
});

test('Bun runs on Redis, through ioredis', async (t) => {
  const project = await projectOf('redis', 'Bun');
  await bunAdd(project);
  const { stdout, output } = await project.command('bun', 'src/main.ts', redis().url, 'bun');
  t.notThrows(() => JSON.parse(stdout), output);
  t.deepEqual(JSON.parse(stdout), ON_REDIS);
});
