import test from 'ava';
import { filesOf } from '../docs/code-blocks.js';
import { forStandardDecorators, LIBRARY } from './library.js';
import { createToolchainProject, type ToolchainProject } from './toolchain-project.js';

const tsconfig = { ...LIBRARY, ...filesOf('toolchains.md', 'Vitest with Vite 8') };
const withSwc = filesOf('toolchains.md', 'Vitest with Vite 7');
const standard = filesOf('toolchains.md', 'Vitest with Vite 8 and standard decorators');

let vite8: ToolchainProject;
let vite7: ToolchainProject;

test.before('install Vitest on Vite 8, and on Vite 7', async (t) => {
  t.timeout(240_000);
  [vite8, vite7] = await Promise.all([
    createToolchainProject('vitest', 'library'),
    createToolchainProject('vitest-esbuild', 'library'),
  ]);
});

test.after.always('remove them', () => Promise.all([vite8?.remove(), vite7?.remove()]));

test('Vite 8: decorated services and constructor injection work with the flags of tsconfig.json', async (t) => {
  const program = await vite8.program(tsconfig);
  const { exitCode, output } = await program.command('vitest', 'run');
  t.is(exitCode, 0, output);
  t.regex(output, /Tests +3 passed \(3\)/);
});

test('Vite 7: esbuild writes no types of parameters, so only explicit tokens are injected', async (t) => {
  const program = await vite7.program(tsconfig);
  const { exitCode, output } = await program.command('vitest', 'run');
  t.is(exitCode, 1, output);
  t.regex(output, /✓ src\/explicit-books\.test\.ts/);
  t.regex(output, /TypeInfo not known for "Books"/);
  t.regex(output, /Tests +1 failed \| 2 passed \(3\)/);
});

test('Vite 7 with unplugin-swc: constructor injection works', async (t) => {
  const program = await vite7.program({ ...tsconfig, ...withSwc });
  const { exitCode, output } = await program.command('vitest', 'run');
  t.is(exitCode, 0, output);
  t.regex(output, /Tests +3 passed \(3\)/);
});

test('Vite 7: standard decorators work', async (t) => {
  const program = await vite7.program(forStandardDecorators(tsconfig));
  const { exitCode, output } = await program.command('vitest', 'run', 'src/plain.test.ts');
  t.is(exitCode, 0, output);
});

test('Vite 8 leaves standard decorators as they are, and Node does not know them', async (t) => {
  const program = await vite8.program(forStandardDecorators(tsconfig));
  const { exitCode, output } = await program.command('vitest', 'run', 'src/plain.test.ts');
  t.is(exitCode, 1, output);
  t.regex(output, /SyntaxError: Invalid or unexpected token/);
});

test('Vite 8 with unplugin-swc: standard decorators work', async (t) => {
  const program = await vite8.program({ ...forStandardDecorators(tsconfig), ...standard });
  const { exitCode, output } = await program.command('vitest', 'run', 'src/plain.test.ts');
  t.is(exitCode, 0, output);
});
