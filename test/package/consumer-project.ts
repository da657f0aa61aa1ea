import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { projectFolder } from '../support/project-folder.js';
import { strictOptions, type CompilerSettings, type Decorators } from './compiler-settings.js';

const run = promisify(execFile);

/** A project of somebody else, in a folder of its own, with the packed package installed. */
export interface ConsumerProject {
  readonly folder: string;
  /**
   * Compiles `consumers/<source>.ts`, and what is beside it under the same name, and runs it.
   * @returns what it printed
   */
  compileAndRun(source: string, settings: CompilerSettings, decorators?: Decorators): Promise<string>;
  /** Compiles a text, and does not run it. */
  compile(text: string, settings: CompilerSettings): Promise<void>;
  /** Runs a text as a module of one kind. @returns what it printed */
  run(text: string, type: 'module' | 'commonjs', nodeOptions?: readonly string[]): Promise<string>;
  remove(): Promise<void>;
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
  return {
    folder,
    remove,
    compileAndRun: (source, settings, decorators = 'legacy') =>
      compileAndRun(folder, source, settings, decorators),
    compile: async (text, settings) => {
      const program = await newProgram(folder, settings, 'legacy');
      await writeFile(path.join(program, 'main.ts'), text);
      await compile(program, settings);
    },
    run: (text, type, nodeOptions = []) =>
      node(folder, [...nodeOptions, `--input-type=${type}`, '--eval', text]),
  };
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

async function compileAndRun(
  project: string,
  source: string,
  settings: CompilerSettings,
  decorators: Decorators,
): Promise<string> {
  const program = await newProgram(project, settings, decorators);
  const consumers = path.join(projectFolder, 'test/package/consumers');
  const files = (await readdir(consumers)).filter((file) => file.startsWith(`${source}.`));
  await Promise.all(
    files.map((file) => {
      const name = file === `${source}.ts` ? 'main.ts' : file;
      return copyFile(path.join(consumers, file), path.join(program, name));
    }),
  );
  await compile(program, settings);
  return node(program, ['main.js']);
}

/** A folder for a program, below those packages that the project has. */
async function newProgram(
  project: string,
  settings: CompilerSettings,
  decorators: Decorators,
): Promise<string> {
  const folder = await mkdtemp(path.join(project, 'program-'));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: settings.type }));
  const compilerOptions = strictOptions(settings, decorators);
  await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  return folder;
}

async function compile(folder: string, { compiler }: CompilerSettings): Promise<void> {
  try {
    await node(folder, [path.join(projectFolder, 'node_modules', compiler, 'bin/tsc'), '--pretty', 'false']);
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`The consumer does not compile:\n${stdout}${stderr}`, { cause: error });
  }
}

async function node(cwd: string, args: readonly string[]): Promise<string> {
  // What this process is told by AVA, or by who runs the tests, is not for the other one.
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const { stdout } = await run(process.execPath, [...args], { cwd, env });
  return stdout.trim();
}
