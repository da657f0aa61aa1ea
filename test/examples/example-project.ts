import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { projectFolder } from '../support/project-folder.js';
import { withServer } from '../support/server-process.js';
import { copyOf, execute, npmInstall, outsideEnv } from '../toolchains/toolchain-project.js';
import { readExampleReadme, type ExampleReadme } from './example-readme.js';

/** An example in a folder of its own, installed with the packed package. */
export interface ExampleProject {
  readonly readme: ExampleReadme;
  /** Does what the README says. A server is started, called, and ended by SIGTERM; a program runs to its end. */
  run(env?: Environment): Promise<ExampleRun>;
  remove(): Promise<void>;
}

export interface ExampleRun {
  readonly exitCode: number | null;
  /** What each call printed, with the address of the README. Of a program: what it printed. */
  readonly prints: readonly string[];
}

type Environment = Readonly<Record<string, string>>;

/** The address in every README. */
const ADDRESS = 'localhost:3000';

/** @param tarball the packed package, which takes the place of `file:../..` */
export async function createExampleProject(name: string, tarball: string): Promise<ExampleProject> {
  const folder = await copyOf(name, path.join(projectFolder, 'examples', name));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const readme = readExampleReadme(await readFile(path.join(folder, 'README.md'), 'utf8'));
    await npmInstall(folder, tarball);
    const command = await startCommand(folder);
    return {
      readme,
      remove,
      run: async (environment) => {
        const env = environmentIn(folder, environment);
        if (readme.calls.length > 0) return serve(folder, command, env, readme.calls);
        const { exitCode, output } = await execute('sh', ['-c', command], folder, env);
        return { exitCode, prints: [output] };
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * The command of `npm start`; what comes before it is run here. A signal to npm would end the shell between npm and the
 * program, so the program takes the place of its shell, as it does in a container.
 */
async function startCommand(folder: string): Promise<string> {
  const { output, exitCode } = await execute('npm', ['run', '--if-present', 'prestart'], folder);
  if (exitCode !== 0) throw new Error(`npm run prestart failed:\n${output}`);
  const { scripts } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as {
    readonly scripts: { readonly start: string };
  };
  return scripts.start.replace(/^(.*&& *)?/, '$1exec ');
}

function environmentIn(folder: string, env: Environment = {}): NodeJS.ProcessEnv {
  const { REDIS_URL: _url, ...outside } = outsideEnv();
  const commands = path.join(folder, 'node_modules/.bin');
  return { ...outside, PORT: '0', PATH: [commands, outside['PATH']].join(path.delimiter), ...env };
}

async function serve(
  cwd: string,
  command: string,
  env: NodeJS.ProcessEnv,
  calls: readonly string[],
): Promise<ExampleRun> {
  const prints: string[] = [];
  const { code, signal, output } = await withServer(['sh', '-c', command], { cwd, env }, async (url) => {
    const { host } = new URL(url);
    for (const call of calls) {
      const script = call.replaceAll(ADDRESS, host);
      const called = await execute('sh', ['-ec', script], cwd, env);
      if (called.exitCode !== 0)
        throw new Error(`It exited with ${called.exitCode}: ${script}${called.output}`);
      prints.push(called.stdout.replaceAll(host, ADDRESS));
    }
  });
  if (code !== 0) throw new Error(`The server ended with ${code ?? signal} after SIGTERM:\n${output}`);
  return { exitCode: code, prints };
}
