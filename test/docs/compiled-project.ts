import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectFolder } from '../support/project-folder.js';

/** Sources that are not part of the tests, compiled into a folder where `cachement` is the package as it was built. */
export interface CompiledProject {
  /** Runs one of them as a process of its own. */
  run(file: string, env?: Readonly<Record<string, string>>): Promise<RunResult>;
  /** Imports one of them into this process. */
  load<Module>(file: string): Promise<Module>;
  remove(): Promise<void>;
}

export interface RunResult {
  readonly exitCode: number;
  readonly output: string;
}

/**
 * @param sources files by name
 * @throws Error with the compiler's words if they do not compile
 */
export async function compileProject(sources: Readonly<Record<string, string>>): Promise<CompiledProject> {
  // Below the repository, whose package.json then tells what `cachement` is. npm test has built it before.
  const builds = path.join(projectFolder, 'build');
  await mkdir(builds, { recursive: true });
  const folder = await mkdtemp(path.join(builds, 'compiled-project-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  const files = Object.entries({ ...sources, 'tsconfig.json': JSON.stringify(CONFIGURATION) });
  await Promise.all(files.map(([name, text]) => writeFile(path.join(folder, name), text)));
  const compiler = path.join(projectFolder, 'node_modules/typescript/bin/tsc');
  const compiled = await node(
    [compiler, '-p', folder, '--outDir', folder, '--pretty', 'false'],
    projectFolder,
  );
  if (compiled.exitCode !== 0) {
    await remove();
    throw new Error(`The sources do not compile:\n${compiled.output}`);
  }
  return {
    run: (file, env) => node([path.join(folder, file)], folder, env),
    load: (file) => import(pathToFileURL(path.join(folder, file)).href),
    remove,
  };
}

const CONFIGURATION = {
  extends: '../../tsconfig.json',
  // A snippet may define what only its reader would use.
  compilerOptions: { noEmit: false, rootDir: '.', noUnusedLocals: false, noUnusedParameters: false },
  include: ['*.ts'],
  exclude: [],
};

function node(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  // What this process is told by AVA, or by whoever runs the tests, is nothing to the other one.
  const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, REDIS_URL: _url, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...args], { cwd, env: { ...inherited, ...env } }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ exitCode: error ? Number(error.code) : 0, output: stdout + stderr });
    });
  });
}
