import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { filesOf } from '../docs/code-blocks.js';
import { pack } from '../package/consumer-project.js';
import { copyOf, npmInstall, programIn, writeFiles, type Program } from './toolchain-project.js';

const run = promisify(execFile);
let program: Program;

test.before('install two versions of the package in a monorepo, and compile its packages', async (t) => {
  t.timeout(240_000);
  const folder = await copyOf('two-versions');
  program = programIn(folder, path.join(folder, 'node_modules/.bin'));
  const tarball = path.join(folder, 'cachement.tgz');
  await rename(await pack(folder), tarball);
  await repack(tarball, path.join(folder, 'cachement-older.tgz'), '0.0.9');
  await npmInstall(folder);
  for (const workspace of ['reports', 'app']) {
    const settings = filesOf('toolchains.md', 'ESM, CommonJS and two versions in one process');
    await writeFiles(path.join(folder, workspace), settings);
    const { exitCode, output } = await program.command('tsc', '-p', workspace);
    if (exitCode !== 0) throw new Error(`${workspace} does not compile:\n${output}`);
  }
});

test.after.always('remove them', async () => {
  if (program !== undefined) await rm(program.folder, { recursive: true, force: true });
});

/** The same package with another version number. */
async function repack(tarball: string, to: string, version: string): Promise<void> {
  const folder = `${to}.content`;
  await mkdir(folder);
  await run('tar', ['-xzf', tarball, '-C', folder]);
  const manifest = path.join(folder, 'package/package.json');
  const content = JSON.parse(await readFile(manifest, 'utf8')) as object;
  await writeFile(manifest, JSON.stringify({ ...content, version }));
  await run('tar', ['-czf', to, '-C', folder, 'package']);
}

async function versionIn(folder: string): Promise<unknown> {
  const manifest = path.join(program.folder, folder, 'node_modules/cachement/package.json');
  return (JSON.parse(await readFile(manifest, 'utf8')) as { version: unknown }).version;
}

test('ESM, CommonJS and another version of the package are one library in one process', async (t) => {
  t.deepEqual(await versionIn('reports'), '0.0.9');
  t.not(await versionIn('.'), '0.0.9');
  const { exitCode, output } = await program.node('app/dist/main.js');
  t.is(exitCode, 0, output);
  t.deepEqual(output.trim().split('\n'), [
    'the default: ok',
    'useContainer: ok',
    'bindCaching: ok',
    'withCaching: ok',
    'currentLease: ok',
    'loads in flight: ok',
    'errors: ok',
    'createDecorators: ok',
    'instances of Caching: ok',
  ]);
});
