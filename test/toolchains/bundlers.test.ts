import test, { type ExecutionContext } from 'ava';
import { filesOf } from '../docs/code-blocks.js';
import {
  forStandardDecorators,
  LIBRARY,
  ONE_PLAIN_READ,
  ONE_READ,
  reportOf,
  type LibraryReport,
} from './library.js';
import {
  createToolchainProject,
  type Outcome,
  type Program,
  type ToolchainProject,
} from './toolchain-project.js';

const tsconfig = { ...LIBRARY, ...filesOf('toolchains.md', 'Vitest with Vite 8') };
const esbuild = { ...tsconfig, ...filesOf('toolchains.md', 'esbuild') };
const webpack = { ...tsconfig, ...filesOf('toolchains.md', 'webpack') };

let project: ToolchainProject;

test.before('install esbuild and webpack', async (t) => {
  t.timeout(240_000);
  project = await createToolchainProject('bundlers', 'library');
});

test.after.always('remove it', () => project?.remove());

test('esbuild: a minified bundle by the settings of the page injects by type and keeps the keys', async (t) => {
  const program = await project.program(esbuild);
  t.like(await program.node('build.mjs'), { exitCode: 0, output: '' });
  t.deepEqual(reportOf(await program.node('dist/main.cjs')), ONE_READ);
});

test('esbuild without a plugin writes no types of parameters, so tsyringe cannot inject by type', async (t) => {
  const program = await project.program(tsconfig);
  const { exitCode, output } = await bundled(program, 'main');
  t.is(exitCode, 1);
  t.regex(output, /Error: TypeInfo not known for "Books"/);
});

for (const format of ['cjs', 'esm']) {
  test(`esbuild without a plugin: explicit tokens are injected (${format})`, async (t) => {
    const program = await project.program(tsconfig);
    t.deepEqual(reportOf(await bundled(program, 'explicit', `--format=${format}`)), ONE_READ);
  });
}

test('esbuild: standard decorators work, and keepNames keeps their keys', async (t) => {
  const program = await project.program(forStandardDecorators(tsconfig));
  const minified = await bundled(program, 'plain-main', '--minify', '--keep-names');
  t.deepEqual(reportOf(minified), ONE_PLAIN_READ);
});

test('esbuild renames the second class of a name in a bundle that is not minified: its default keys with it', async (t) => {
  const program = await project.program(tsconfig);
  const { reads, keys, errors } = reportOf(await bundled(program, 'two-modules'));
  t.deepEqual([reads, errors], [[1, 1, 1], []]);
  t.is(keys[0], 'Books.find:("1")');
  t.regex(keys[1]!, /^Books\d\.find:\("1"\)$/);
  t.is(keys[2], 'NamedBooks.find:("1")');
});

test('esbuild: minify without keepNames shortens default keys, and a warning says so', async (t) => {
  const program = await project.program(tsconfig);
  shortened(t, reportOf(await bundled(program, 'two-modules', '--minify')));
});

test('esbuild: a minified build may give a class the short name of another class in the build before', async (t) => {
  const before = await project.program(tsconfig);
  const books = LIBRARY['src/explicit-books.ts']!;
  const films = books.replace('export class Books', 'class Films') + 'export { Films as Books };\n';
  const after = await project.program({ ...tsconfig, 'src/explicit-books.ts': films });
  const [ofBooks, ofFilms] = await Promise.all(
    [before, after].map(async (program) => reportOf(await bundled(program, 'explicit', '--minify')).keys),
  );
  t.is(ofBooks!.length, 1);
  t.deepEqual(ofFilms, ofBooks);
  t.deepEqual(reportOf(await bundled(after, 'explicit', '--minify', '--keep-names')).keys, [
    'Films.find:("1")',
  ]);
});

test('esbuild: with keepNames two classes of one name are found out, and a name of its own ends it', async (t) => {
  const program = await project.program(tsconfig);
  foundOut(t, reportOf(await bundled(program, 'two-modules', '--minify', '--keep-names')));
});

test('webpack: a minified bundle by the settings of the page injects by type and keeps the keys', async (t) => {
  const program = await project.program(webpack);
  const { exitCode, output } = await program.command('webpack', '--config', 'webpack.config.cjs');
  t.is(exitCode, 0, output);
  t.notRegex(output, /warning/i);
  t.deepEqual(reportOf(await program.node('dist/main.cjs')), ONE_READ);
});

const TWO_MODULES = ['--config', 'webpack.config.cjs', '--entry-reset', '--entry', './src/two-modules.ts'];

test('webpack: without keep_classnames default keys are shortened, and a warning says so', async (t) => {
  const [config, keep] = [webpack['webpack.config.cjs']!, 'keep_classnames: true'];
  t.true(config.includes(keep));
  const program = await project.program({ ...webpack, 'webpack.config.cjs': config.replace(keep, '') });
  t.like(await program.command('webpack', ...TWO_MODULES), { exitCode: 0 });
  shortened(t, reportOf(await program.node('dist/main.cjs')));
});

test('webpack: with keep_classnames two classes of one name are found out, and a name of its own ends it', async (t) => {
  const program = await project.program(webpack);
  t.like(await program.command('webpack', ...TWO_MODULES), { exitCode: 0 });
  foundOut(t, reportOf(await program.node('dist/main.cjs')));
});

/** Bundles `src/<entry>.ts` by the command line of esbuild, and runs it. */
async function bundled(program: Program, entry: string, ...flags: readonly string[]): Promise<Outcome> {
  const outfile = flags.includes('--format=esm') ? 'dist/out.mjs' : 'dist/out.cjs';
  const always = ['--bundle', '--platform=node', '--target=node20', `--outfile=${outfile}`];
  const { exitCode, output } = await program.command('esbuild', `src/${entry}.ts`, ...always, ...flags);
  if (exitCode !== 0) throw new Error(output);
  return program.node(outfile);
}

/** Three classes called Books, the third with a name of its own, where a minifier has renamed them. */
function shortened(t: ExecutionContext, { reads, keys, warnings, errors }: LibraryReport): void {
  t.deepEqual([reads, errors], [[1, 1, 1], []]);
  t.regex(keys[0]!, /^[\w$]{1,2}\.find:\("1"\)$/);
  t.regex(keys[1]!, /^[\w$]{1,2}\.find:\("1"\)$/);
  t.not(keys[0], keys[1]);
  t.is(keys[2], 'NamedBooks.find:("1")');
  t.deepEqual(warnings, ['CACHEMENT_SHORT_NAME', 'CACHEMENT_SHORT_NAME']);
}

/** The same where all are called Books: the second runs uncached, with an error event for each call. */
function foundOut(t: ExecutionContext, { reads, keys, warnings, errors }: LibraryReport): void {
  t.deepEqual([reads, keys, warnings], [[1, 2, 1], ['Books.find:("1")', 'NamedBooks.find:("1")'], []]);
  t.is(errors.length, 2);
  for (const error of errors) t.regex(error, /^KeyError: Two different methods are called Books\.find, at /);
}
