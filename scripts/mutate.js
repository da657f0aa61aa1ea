/**
 * npm run mutate [-- WORDS]: takes out one guard after the other, on a copy of the tree, and runs the test that must
 * fail then. Prints a table, and fails if a test passes without its guard.
 *
 * WORDS       only guards, files and titles that contain them
 * --check     runs nothing: are all guards marked in src, and all titles in test?
 * --markdown  prints the table as Markdown when all have run
 * --output    prints what each test said without its guard
 * --exhaustive  runs the search over all orders of events instead: how many orders until it finds that a guard is missing?
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { cacheMutations } from './mutations/cache.js';
import { EXHAUSTIVE, foundByOrders, isOfProtocol, notFoundByOrders } from './mutations/exhaustive.js';
import { findGuards, takeOut } from './mutations/guards.js';
import { idleMutations } from './mutations/idle.js';
import { httpMutations } from './mutations/http.js';
import { jobsMutations } from './mutations/jobs.js';
import { l1Mutations } from './mutations/l1.js';
import { pubsubMutations } from './mutations/pubsub.js';
import { limitsMutations } from './mutations/limits.js';
import { locksMutations } from './mutations/locks.js';
import { markMutations } from './mutations/marks.js';
import { putMutations } from './mutations/puts.js';
import { sessionsMutations } from './mutations/sessions.js';
import { stalenessMutations } from './mutations/staleness.js';
import { verifyMutations } from './mutations/verify.js';
import { writerMutations } from './mutations/writers.js';

import { transactionMutations } from './mutations/transactions.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const isExhaustive = args.includes('--exhaustive');
/** Some guards keep calls from hanging: a test that hangs has failed. */
const MAX_TEST_MS = isExhaustive ? 400_000 : 40_000;
const TEST_FILE = /\.ts$/;

const guards = findGuards(root);
const mutations = [
  ...cacheMutations,
  ...l1Mutations,
  ...pubsubMutations,
  ...jobsMutations,
  ...limitsMutations,
  ...locksMutations,
  ...httpMutations,
  ...idleMutations,
  ...markMutations,
  ...putMutations,
  ...stalenessMutations,
  ...verifyMutations,
  ...transactionMutations,
  ...sessionsMutations,
  ...writerMutations,
];
const orderMutations = foundByOrders.map(({ guard, setUp }) => ({
  ...mutations.find((one) => one.guard === guard),
  guard,
  test: EXHAUSTIVE.test,
  on: undefined,
  title: EXHAUSTIVE.title + setUp,
}));
const words = args.filter((arg) => !arg.startsWith('--')).join(' ');
const problems = check();
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
} else if (!args.includes('--check')) {
  process.exitCode = (await run(words.toLowerCase())) ? 0 : 1;
}

/** What is wrong with the lists, without running a test. */
function check() {
  // The contracts of adapters are published: their tests are in src.
  const tests = ['test', 'src/testing/contract']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => TEST_FILE.test(file))
        .map((file) => readFileSync(path.join(root, folder, file), 'utf8')),
    )
    .join('\n');
  const listed = new Set(mutations.map(({ guard }) => guard));
  return [
    ...[...guards.keys()]
      .filter((guard) => !listed.has(guard))
      .map((guard) => `Guard ${guard} of ${guards.get(guard)} is in no list of scripts/mutations.`),
    ...checkOrders(),
    ...[...mutations, ...orderMutations].flatMap((mutation) => {
      const { guard, test, title } = mutation;
      const found = [];
      const file = guards.get(guard);
      if (file === undefined) found.push(`Guard ${guard} is marked nowhere in src.`);
      else {
        try {
          takeOut(readFileSync(path.join(root, file), 'utf8'), mutation);
        } catch (error) {
          found.push(`${file}: ${error.message}`);
        }
      }
      // A `*` stands for what the test computes.
      const missing = title
        .split('*')
        .find((part) => ![part, escapeQuotes(part)].some((one) => tests.includes(one)));
      if (missing !== undefined) found.push(`Guard ${guard}: no test has the title "${missing}".`);
      try {
        readFileSync(path.join(root, test));
      } catch {
        found.push(`Guard ${guard}: there is no ${test}.`);
      }
      return found;
    }),
  ];
}

/** Of each guard of the protocol it is known whether an order of events needs it. */
function checkOrders() {
  const known = [
    ...foundByOrders.map(({ guard }) => guard),
    ...notFoundByOrders.flatMap((one) => one.guards),
  ];
  return [
    ...[...guards]
      .filter(([guard, file]) => isOfProtocol(file) && !known.includes(guard))
      .map(
        ([guard, file]) =>
          `Guard ${guard} of ${file} is not in scripts/mutations/exhaustive.js: name the set-up that finds that it is missing, or why none does.`,
      ),
    ...known
      .filter((guard, i) => !guards.has(guard) || known.indexOf(guard) !== i)
      .map(
        (guard) =>
          `Guard ${guard} of scripts/mutations/exhaustive.js is there twice, or is marked nowhere in src.`,
      ),
  ];
}

function escapeQuotes(title) {
  return title.replaceAll("'", String.raw`\'`);
}

async function run(asked) {
  const chosen = (isExhaustive ? orderMutations : mutations).filter((mutation) =>
    [guards.get(mutation.guard), ...Object.values(mutation)].join(' ').toLowerCase().includes(asked),
  );
  const folders = Array.from({ length: Math.min(availableParallelism(), chosen.length) }, () =>
    mkdtempSync(path.join(tmpdir(), 'cachement-mutations-')),
  );
  const rows = [];
  try {
    for (const folder of folders) prepare(folder);
    const tests = [...new Set(chosen.map(({ test }) => test))];
    const pass = await shareOut(folders, tests, (folder, test) => passUnchanged(folder, test, chosen));
    if (pass.includes(false)) return false;
    await shareOut(folders, chosen, async (folder, mutation) => {
      const { failed, isInvalid, hung, output } = await runWithout(folder, mutation);
      const outcome = isInvalid ? 'INVALID' : failed ? 'fails' : 'PASSES';
      const orders = / (\d+ orders): /.exec(output)?.[1];
      rows.push({ ...mutation, file: guards.get(mutation.guard), outcome, orders });
      console.log(
        `${String(rows.length).padStart(3)}/${chosen.length}  ${outcome.padEnd(7)}  ${mutation.guard}${hung ? ' (hangs)' : ''}${orders === undefined ? '' : ` (${orders})`}`,
      );
      if (args.includes('--output')) console.log(output);
    });
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
  if (args.includes('--markdown')) printMarkdown(rows);
  const failed = rows.filter(({ outcome }) => outcome === 'fails').length;
  console.log(`\n${failed} of ${rows.length} guards are needed by their test`);
  return failed === rows.length;
}

/** Gives each folder one item after the other. */
async function shareOut(folders, items, work) {
  const left = items.values();
  const results = [];
  await Promise.all(
    folders.map(async (folder) => {
      for (const item of left) results.push(await work(folder, item));
    }),
  );
  return results;
}

/** A copy of the tree, compiled. */
function prepare(folder) {
  for (const name of [
    'src',
    'test',
    'examples',
    'docs',
    'package.json',
    'tsconfig.json',
    'tsconfig.test.json',
  ]) {
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  writeFileSync(
    path.join(folder, 'ava.config.js'),
    "export default { files: ['build/test/**/*.test.js'], workerThreads: false, timeout: '" +
      (isExhaustive ? '3m' : '20s') +
      "' };\n",
  );
  compile(folder, ['-p', 'tsconfig.test.json', '--outDir', 'build', '--noCheck']);
}

function compile(folder, options) {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...options], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`Expected this to compile: ${options.join(' ')}\n${stdout}`);
}

/** Whether all tests of a file that the lists name are there, and pass as long as nothing is taken out. */
async function passUnchanged(folder, test, chosen) {
  const titles = [...new Set(chosen.filter((one) => one.test === test).map(fullTitle))];
  const { passed, output } = await runTests(folder, test, titles);
  const missing = titles.filter((title) => !passed.some((one) => matches(one, title)));
  if (missing.length === 0) return true;
  console.error(
    `With all guards in place these did not pass in ${test}:\n  ${missing.join('\n  ')}\n${output}`,
  );
  return false;
}

async function runWithout(folder, mutation) {
  const file = guards.get(mutation.guard);
  const original = readFileSync(path.join(root, file), 'utf8');
  try {
    build(folder, file, takeOut(original, mutation));
    return await runTests(folder, mutation.test, [fullTitle(mutation)]);
  } catch (error) {
    return { failed: true, hung: false, isInvalid: true, output: error.message };
  } finally {
    build(folder, file, original);
  }
}

/** With the name of the adapter that a contract suite puts before it. */
function fullTitle({ on, title }) {
  return on === undefined ? title : `${on}: ${title}`;
}

function matches(title, pattern) {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`).test(title);
}

/** Compiles one file, and looks at no other. */
function build(folder, file, source) {
  writeFileSync(path.join(folder, file), source);
  const options = ['--ignoreConfig', '--noCheck', '--noResolve', '--target', 'es2023'];
  const modules = ['--module', 'nodenext', '--verbatimModuleSyntax', '--rootDir', '.', '--outDir', 'build'];
  compile(folder, [...options, ...modules, file]);
}

/** Runs the tests of these titles in a group of processes of their own, so that those that hang can be ended. */
async function runTests(folder, test, titles) {
  const ava = path.join(root, 'node_modules/ava/entrypoints/cli.mjs');
  const compiled = path.join('build', test.replace(TEST_FILE, '.js'));
  const selection = titles.flatMap((title) => ['--match', title]);
  const child = spawn(process.execPath, [ava, compiled, '--tap', ...selection], {
    cwd: folder,
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, MAX_TEST_MS);
  const status = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  const passed = [...output.matchAll(/^ok \d+ - (.*)$/gm)].map(([, title]) => title);
  return {
    passed,
    failed: status !== 0,
    hung: hung || /timed out|writeTimeout/i.test(output),
    // The mutation made no program of it: that says nothing about the guard.
    isInvalid: /ReferenceError|Error compiling script|nonexistent global/.test(output),
    output,
  };
}

function printMarkdown(rows) {
  const cells = ({ guard, file, test, outcome, orders, ...mutation }) =>
    [guard, file, `${fullTitle(mutation)} (${test})`, orders ?? outcome].map((cell) =>
      cell.replaceAll('|', '\\|'),
    );
  const table = rows
    .toSorted((a, b) => a.guard.localeCompare(b.guard))
    .map((row) => `| ${cells(row).join(' | ')} |`);
  console.log(
    ['', '| guard | file | test | without the guard |', '| --- | --- | --- | --- |', ...table].join('\n'),
  );
}
