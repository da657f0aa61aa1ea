/**
 * node scripts/mutate.js [WORDS]: takes out one guard after the other (scripts/mutations/), on a copy of the tree,
 * and runs the test that must fall then. Fails if one stands. With WORDS: only guards, files and titles that
 * contain them. With --table: writes the table of guards into test/README.md.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A guard that keeps calls from hanging is missed by a test that hangs. */
const LIMIT_MS = 40_000;

const mutations = await readMutations();
const args = process.argv.slice(2);
if (args.includes('--table')) writeTable();
else process.exitCode = (await run(args.join(' ').toLowerCase())) ? 0 : 1;

async function run(words) {
  const chosen = mutations.filter((mutation) =>
    Object.values(mutation).join(' ').toLowerCase().includes(words),
  );
  const folder = mkdtempSync(path.join(tmpdir(), 'cachement-mutations-'));
  try {
    prepare(folder);
    if (!(await allStand(folder, chosen))) return false;
    let survivors = 0;
    for (const mutation of chosen) if (!(await falls(folder, mutation))) survivors++;
    console.log(`\n${chosen.length - survivors} of ${chosen.length} guards are guarded`);
    return survivors === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each file of scripts/mutations exports one list. */
async function readMutations() {
  const files = readdirSync(new URL('mutations', import.meta.url)).toSorted();
  const modules = await Promise.all(files.map((file) => import(`./mutations/${file}`)));
  return modules.flatMap((module) => Object.values(module).flat());
}

/** A copy of the tree, compiled. */
function prepare(folder) {
  for (const name of ['src', 'test', 'examples', 'package.json', 'tsconfig.json', 'tsconfig.test.json']) {
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  writeFileSync(
    path.join(folder, 'ava.config.js'),
    "export default { files: ['build/test/**/*.test.js'], workerThreads: false, timeout: '10s' };\n",
  );
  compile(folder, ['-p', 'tsconfig.test.json', '--outDir', 'build', '--noCheck']);
}

function compile(folder, args) {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...args], { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`Expected this to compile: ${args.join(' ')}\n${stdout}`);
}

/** Without a mutation every one of the tests is there, and passes. */
async function allStand(folder, chosen) {
  let all = true;
  for (const test of new Set(chosen.map((mutation) => mutation.test))) {
    const titles = new Set(chosen.filter((one) => one.test === test).map(({ title }) => title));
    const { passed, output } = await runTests(folder, test, [...titles]);
    const missing = [...titles].filter((title) => !passed.includes(title));
    if (missing.length === 0) continue;
    all = false;
    console.error(
      `Without any mutation these tests of ${test} did not pass:\n  ${missing.join('\n  ')}\n${output}`,
    );
  }
  return all;
}

async function falls(folder, mutation) {
  const { guard, file, where, test, title } = mutation;
  const original = readFileSync(path.join(root, file), 'utf8');
  let mutated = original;
  for (const { search, replace } of [mutation, ...(mutation.also ?? [])]) {
    const parts = mutated.split(search);
    if (parts.length !== 2) throw new Error(`${guard}: expected this once in ${file}:\n${search}`);
    mutated = parts.join(replace);
  }
  try {
    build(folder, file, mutated);
    const { fell, hung } = await runTests(folder, test, [title]);
    console.log(
      `${fell ? 'falls   ' : 'SURVIVES'} ${path.basename(file)} ${where}: ${guard}${hung ? ' (hangs)' : ''}`,
    );
    return fell;
  } finally {
    build(folder, file, original);
  }
}

/** Compiles one file, and looks at no other. */
function build(folder, file, source) {
  writeFileSync(path.join(folder, file), source);
  const options = [
    '--ignoreConfig',
    '--noCheck',
    '--noResolve',
    '--target',
    'es2023',
    '--module',
    'nodenext',
    '--verbatimModuleSyntax',
  ];
  compile(folder, [...options, '--rootDir', '.', '--outDir', 'build', file]);
}

/** Runs the tests of these titles in a group of processes of their own, so that those that hang can be ended. */
async function runTests(folder, test, titles) {
  const ava = path.join(root, 'node_modules/ava/entrypoints/cli.mjs');
  const compiled = path.join('build', test.replace(/\.ts$/, '.js'));
  const matches = titles.flatMap((title) => ['--match', title]);
  const child = spawn(process.execPath, [ava, compiled, '--tap', ...matches], {
    cwd: folder,
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, LIMIT_MS);
  const status = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  const passed = [...output.matchAll(/^ok \d+ - (.*)$/gm)].map(([, title]) => title);
  return { passed, fell: status !== 0, hung: hung || /timed out/i.test(output), output };
}

function writeTable() {
  const file = path.join(root, 'test/README.md');
  const rows = mutations.map(
    ({ guard, file, where, test, title }) =>
      `| ${[guard, `\`${file.replace(/^src\//, '')}\` ${where}`, `${title} (\`${path.basename(test)}\`)`].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
  );
  const table = ['| guard | where | falls without it |', '| --- | --- | --- |', ...rows].join('\n');
  const text = readFileSync(file, 'utf8');
  const marked = /(<!-- guards -->\n)[^]*(\n<!-- \/guards -->)/;
  if (!marked.test(text)) throw new Error('Expected <!-- guards --> and <!-- /guards --> in test/README.md.');
  writeFileSync(
    file,
    text.replace(marked, (_, start, end) => `${start}\n${table}\n${end}`),
  );
}
