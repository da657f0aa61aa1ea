import test from 'ava';
import { filesOf } from '../docs/code-blocks.js';
import { forStandardDecorators, LIBRARY, ONE_PLAIN_READ, ONE_READ, reportOf } from './library.js';
import { createToolchainProject, type ToolchainProject } from './toolchain-project.js';

const settings = { ...LIBRARY, ...filesOf('toolchains.md', 'tsx') };
const COMMONJS = { ...settings, 'package.json': '{ "type": "commonjs" }' };

let project: ToolchainProject;

test.before('install tsx', async (t) => {
  t.timeout(240_000);
  project = await createToolchainProject('tsx', 'library');
});

test.after.always('remove it', () => project?.remove());

for (const [type, files] of [
  ['an ESM', settings],
  ['a CommonJS', COMMONJS],
] as const) {
  test(`tsx runs ${type} program with explicit tokens`, async (t) => {
    const program = await project.program(files);
    t.deepEqual(reportOf(await program.command('tsx', 'src/explicit.ts')), ONE_READ);
  });

  test(`tsx runs ${type} program with constructor injection by type: tsyringe does not know the types`, async (t) => {
    const program = await project.program(files);
    const { exitCode, output } = await program.command('tsx', 'src/main.ts');
    t.is(exitCode, 1);
    t.regex(output, /Error: TypeInfo not known for "Books"/);
  });
}

test('tsx runs standard decorators', async (t) => {
  const program = await project.program(forStandardDecorators(settings));
  t.deepEqual(reportOf(await program.command('tsx', 'src/plain-main.ts')), ONE_PLAIN_READ);
});

test('@swc-node/register writes the types of parameters: constructor injection works', async (t) => {
  const program = await project.program(settings);
  const register = ['--import', '@swc-node/register/esm-register'];
  t.deepEqual(reportOf(await program.node(...register, 'src/main.ts')), ONE_READ);
});
