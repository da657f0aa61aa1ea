import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { filesOf } from '../docs/code-blocks.js';
import { projectFolder } from '../support/project-folder.js';
import { withServer } from '../support/server-process.js';
import {
  createToolchainProject,
  outsideEnv,
  writeFiles,
  type Program,
  type ToolchainProject,
} from './toolchain-project.js';

const SETTINGS = [
  'NestJS: as its CLI writes it',
  'NestJS: module commonjs',
  'NestJS: module node16',
] as const;

let project: ToolchainProject;
/** NestJS 12, which is ESM only. */
let project12: ToolchainProject;

test.before('install a NestJS 11 application and its tests, and NestJS 12', async (t) => {
  t.timeout(240_000);
  project = await createToolchainProject('nestjs');
  project12 = await createToolchainProject('nestjs-12');
});

test.after.always('remove them', async () => {
  await project?.remove();
  await project12?.remove();
});

/** The application, with settings of the page. */
async function application(...headings: readonly string[]): Promise<Program> {
  const settings = headings.map((heading) => filesOf('toolchains.md', heading));
  return project.program(Object.assign({}, ...settings));
}

for (const heading of SETTINGS) {
  test.serial(`${heading}: it compiles, starts, and serves cached, limited and locked methods`, async (t) => {
    const program = await application(heading);
    t.like(await program.command('tsc'), { exitCode: 0, output: '' });
    await withApplication(t, program, async (url) => {
      const find = async () => (await (await fetch(`${url}/books/1`)).json()) as unknown;
      t.deepEqual(await find(), { book: { id: '1', title: 'Book 1' }, reads: 1 });
      t.deepEqual(await find(), { book: { id: '1', title: 'Book 1' }, reads: 1 });
      const headers = { 'content-type': 'application/json' };
      await fetch(`${url}/books/1`, { method: 'PUT', headers, body: '{"title":"Emma"}' });
      t.deepEqual(await find(), { book: { id: '1', title: 'Emma' }, reads: 2 });

      const order = () => fetch(`${url}/books/orders/ada`, { method: 'POST' });
      t.deepEqual([(await order()).status, (await order()).status], [201, 201]);
      const refused = await order();
      t.is(refused.status, 429);
      t.regex(refused.headers.get('retry-after') ?? '', /^\d+$/);

      t.deepEqual(await (await fetch(`${url}/books/7/stock`)).json(), ['stock:7']);
    });
  });
}

for (const transform of ['Jest with ts-jest', 'Jest with SWC']) {
  for (const heading of transform === 'Jest with SWC' ? SETTINGS.slice(0, 1) : SETTINGS) {
    test.serial(`${transform}, ${heading}: the tests of the application pass`, async (t) => {
      const program = await application(heading, transform);
      const { exitCode, output } = await program.command(
        'jest',
        '--ci',
        '--runInBand',
        '--cacheDirectory=.jest',
      );
      t.is(exitCode, 0, output);
      t.regex(output, /Tests: +(\d+) passed, \1 total/);
      t.regex(output, /Test Suites: 2 passed, 2 total/);
    });
  }
}

test.serial('Vitest with NestJS: the tests of the application pass', async (t) => {
  const program = await application(SETTINGS[0], 'Vitest with NestJS');
  const { exitCode, output } = await program.command('vitest', 'run');
  t.is(exitCode, 0, output);
  t.regex(output, /Test Files +2 passed \(2\)/);
  t.regex(output, /Tests +(\d+) passed \(\1\)/);
});

test.serial('Jest with SWC, without decoratorMetadata: Nest injects undefined, and calls fail', async (t) => {
  const { '.swcrc': swcrc, ...config } = filesOf('toolchains.md', 'Jest with SWC');
  const flag = ', "decoratorMetadata": true';
  t.true(swcrc?.includes(flag));
  const program = await application(SETTINGS[0]);
  await writeFiles(program.folder, { ...config, '.swcrc': swcrc!.replace(flag, '') });
  const { exitCode, output } = await program.command('jest', '--ci', '--runInBand', '--cacheDirectory=.jest');
  t.is(exitCode, 1);
  t.regex(output, /TypeError: Cannot read properties of undefined/);
});

for (const [version, module] of [
  [11, 'CommonJS'],
  [12, 'ESM'],
] as const) {
  test.serial(
    `NestJS ${version}, ${module}: two applications with two runtimes each run, and end`,
    async (t) => {
      const main = 'two-applications.ts';
      const source = await readFile(
        path.join(projectFolder, 'test/toolchains/projects/nestjs/src', main),
        'utf8',
      );
      const program =
        version === 11
          ? await application(SETTINGS[0])
          : await project12.program({
              ...filesOf('toolchains.md', SETTINGS[0]),
              [`src/${main}`]: source,
            });
      t.like(await program.command('tsc'), { exitCode: 0, output: '' });
      t.deepEqual(await program.node('dist/two-applications.js'), {
        exitCode: 0,
        output: TWO_APPLICATIONS,
        stdout: TWO_APPLICATIONS,
      });
    },
  );
}

const TWO_APPLICATIONS = `\
first: singleton, request, transient on first; reports on first-reports
second: singleton, request, transient on second; reports on second-reports
first: singleton, request, transient on first; reports on first-reports
role of the guard: reader; 429 Quota Exceeded
closed
`;

/** Runs the compiled application while `work` runs. */
async function withApplication(
  t: ExecutionContext,
  program: Program,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const main = path.join(program.folder, 'dist/main.js');
  const options = { cwd: program.folder, env: outsideEnv() };
  const { code, signal, output } = await withServer([process.execPath, main], options, work);
  t.true(code === 0 || signal === 'SIGTERM', `The application ended with ${code ?? signal}:\n${output}`);
}
