import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { projectFolder } from '../support/project-folder.js';

const run = promisify(execFile);

/** A project of somebody else, in a folder of its own, with the packed package installed. */
export interface ConsumerProject {
  readonly folder: string;
  /**
   * Compiles `consumers/<source>.ts` as strictly as a user may, every declaration file included, and runs it.
   * @returns what it printed
   */
  compileAndRun(source: string, options: ConsumerOptions): Promise<string>;
  remove(): Promise<void>;
}

export interface ConsumerOptions {
  /** The `type` in its package.json: whether `import` stays `import` or becomes `require()`. */
  readonly type: 'module' | 'commonjs';
  readonly decorators: 'legacy' | 'standard';
}

/**
 * Packs the repository as it would be published. `npm test` has built it before.
 * @returns the path of the tarball
 */
export async function pack(folder: string): Promise<string> {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run('npm', args, { cwd: projectFolder });
  const [packed] = JSON.parse(stdout) as [{ filename: string }];
  return path.join(folder, packed.filename);
}

/** @param peers names in our own devDependencies, whose versions are installed */
export async function createConsumer(tarball: string, peers: readonly string[]): Promise<ConsumerProject> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cachement-consumer-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true }));
    await install(folder, [tarball, ...(await specifiers(['@types/node', ...peers]))]);
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, remove, compileAndRun: (source, options) => compileAndRun(folder, source, options) };
}

async function install(folder: string, packages: readonly string[]): Promise<void> {
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel', 'error'];
  await run('npm', ['install', ...quietly, ...packages], { cwd: folder });
}

async function specifiers(names: readonly string[]): Promise<readonly string[]> {
  const manifest = await readFile(path.join(projectFolder, 'package.json'), 'utf8');
  const { devDependencies } = JSON.parse(manifest) as { devDependencies: Record<string, string> };
  return names.map((name) => {
    const version = devDependencies[name];
    if (version === undefined) throw new Error(`Expected ${name} in devDependencies: its version is tested.`);
    // An alias such as "ioredis5": "npm:ioredis@5.11.1" is installed under its real name here.
    return version.startsWith('npm:') ? version.slice('npm:'.length) : `${name}@${version}`;
  });
}

async function compileAndRun(project: string, source: string, options: ConsumerOptions): Promise<string> {
  const { type, decorators } = options;
  const folder = path.join(project, `${source}-${type}-${decorators}`);
  await mkdir(folder);
  await copyFile(
    path.join(projectFolder, 'test/package/consumers', `${source}.ts`),
    path.join(folder, 'main.ts'),
  );
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type }));
  await writeFile(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: strictest(decorators) }),
  );
  await compile(folder);
  const { stdout } = await run(process.execPath, [path.join(folder, 'main.js')]);
  return stdout.trim();
}

function strictest(decorators: ConsumerOptions['decorators']): object {
  return {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ['node'],
    experimentalDecorators: decorators === 'legacy',
    emitDecoratorMetadata: decorators === 'legacy',
  };
}

async function compile(folder: string): Promise<void> {
  const compiler = path.join(projectFolder, 'node_modules/typescript/bin/tsc');
  try {
    await run(process.execPath, [compiler, '--pretty', 'false'], { cwd: folder });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`The consumer does not compile:\n${stdout}${stderr}`, { cause: error });
  }
}
