import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pack } from '../package/consumer-project.js';
import { projectFolder } from '../support/project-folder.js';

/** A project of somebody else, one of `projects/`, installed by npm with the package as it would be published. */
export interface ToolchainProject {
  readonly folder: string;
  /** The packed package. */
  readonly tarball: string;
  /**
   * A copy of the project's sources, below the packages that it has installed.
   * @param files what else it consists of, by name: its settings
   */
  program(files?: Readonly<Record<string, string>>): Promise<Program>;
  remove(): Promise<void>;
}

export interface Program {
  readonly folder: string;
  /** Runs a command that a package brings, such as `tsc`. */
  command(name: string, ...args: readonly string[]): Promise<Outcome>;
  node(...args: readonly string[]): Promise<Outcome>;
}

export interface Outcome {
  readonly exitCode: number;
  /** What it printed, stdout before stderr. */
  readonly output: string;
  readonly stdout: string;
}

const projects = path.join(projectFolder, 'test/toolchains/projects');

/**
 * Installs `projects/<name>` as its lockfile says, and the package.
 * @param sources the folder of `projects/` whose files its programs are
 */
export async function createToolchainProject(name: string, sources = name): Promise<ToolchainProject> {
  const folder = await copyOf(name);
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const tarball = await pack(folder);
    await npmInstall(folder, tarball);
    return { folder, tarball, remove, program: (files = {}) => newProgram(sources, folder, files) };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * A project in a folder of its own, nothing installed.
 * @param source the folder that is copied: one of `projects/` by default
 */
export async function copyOf(name: string, source = path.join(projects, name)): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), `cachement-${name}-`));
  await cp(source, folder, { recursive: true, filter: (file) => path.basename(file) !== 'node_modules' });
  return folder;
}

/** With npm's own defaults: scripts of packages run where npm lets them. */
export async function npmInstall(folder: string, ...packages: readonly string[]): Promise<void> {
  const quietly = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error'];
  const { exitCode, output } = await execute('npm', ['install', ...quietly, ...packages], folder);
  if (exitCode !== 0) throw new Error(`npm install failed in ${folder}:\n${output}`);
}

async function newProgram(
  sources: string,
  project: string,
  files: Readonly<Record<string, string>>,
): Promise<Program> {
  const folder = await mkdtemp(path.join(project, 'program-'));
  await cp(path.join(projects, sources), folder, { recursive: true });
  await copyFile(path.join(project, 'package.json'), path.join(folder, 'package.json'));
  await writeFiles(folder, files);
  return programIn(folder, path.join(project, 'node_modules/.bin'));
}

export async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), text);
  }
}

/** @param commands the folder of what `command` runs */
export function programIn(folder: string, commands: string): Program {
  return {
    folder,
    command: (command, ...args) => execute(path.join(commands, command), args, folder),
    node: (...args) => execute(process.execPath, args, folder),
  };
}

/** @returns also if the command fails; rejects only if it cannot be started */
export function execute(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = outsideEnv(),
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env, maxBuffer: 64 << 20 };
    execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ exitCode: error ? Number(error.code) : 0, output: stdout + stderr, stdout });
    });
  });
}

/** Without what npm, AVA and who runs the tests set for this process: Jest and Vitest read NODE_ENV and CI. */
export function outsideEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_.*|NODE_OPTIONS|NODE_ENV|NODE_TEST_CONTEXT|FORCE_COLOR|INIT_CWD)$/i.test(name),
  );
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
}
