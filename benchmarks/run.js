/** npm run bench [-- --help] [-- --quick] [QUESTION ...]: measures, prints tables, writes results/. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { HELP, parseArguments } from './support/command-line.js';

const { help, quick, names } = readArguments();
let progressPrintedAt = performance.now();
if (help) {
  console.log(HELP);
  process.exit(0);
}
requireBuild();
installLibraries();
await runAll();

function readArguments() {
  try {
    return parseArguments(process.argv.slice(2));
  } catch ({ message }) {
    console.error(message);
    process.exit(2);
  }
}

function requireBuild() {
  if (existsSync(new URL('../dist/index.js', import.meta.url))) return;
  console.error('The benchmarks measure the built package, and dist/ is missing. Build first: npm run build');
  process.exit(1);
}

/** Once, in the versions of benchmarks/package-lock.json. */
function installLibraries() {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(new URL('package.json', import.meta.url), 'utf8'),
  );
  const isInstalled = (name) => existsSync(new URL(`node_modules/${name}`, import.meta.url));
  if (Object.keys({ ...dependencies, ...devDependencies }).every(isInstalled)) return;
  console.log('Installing what the benchmarks need (once; benchmarks/package-lock.json) ...');
  // One of the libraries declares Node.js 22, and runs on 20 all the same.
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: 'inherit',
  });
}

async function runAll() {
  // Not at the top: they import what `installLibraries` installs.
  const { stopMembers } = await import('./support/members.js');
  const { startRedis } = await import('./support/redis.js');
  const { environment } = await import('./support/results.js');
  const redis = await startRedis();
  const begun = performance.now();
  try {
    const about = environment(redis, quick);
    for (const [key, value] of Object.entries(about)) console.log(`${key}: ${value}`);
    for (const name of names) await run(name, redis, about);
    const folder = quick ? 'benchmarks/results/quick/' : 'benchmarks/results/';
    console.log(`\nWritten to ${folder} in ${((performance.now() - begun) / 1_000).toFixed(0)} s.`);
  } finally {
    await stopMembers();
    await redis.stop();
  }
}

async function run(name, redis, about) {
  const { versionsOf, writeResult } = await import('./support/results.js');
  const { title, ask } = await import(`./${name}.js`);
  console.log(`\n${title}`);
  const result = await ask({ redis, quick, say: progress });
  progress('');
  writeResult(name, { title, ...result }, about, await versionsOf(result), quick);
  console.log(`\n${result.table}`);
  if (result.notes !== undefined) console.log(`\n${result.notes}`);
  if (result.failure !== undefined) {
    console.error(`\n${result.failure}`);
    process.exitCode = 1;
  }
  await redis.client.flushdb();
}

/** One line that is written over on a terminal; elsewhere one every five seconds, so that the run does not seem to hang. */
function progress(what) {
  if (process.stdout.isTTY) {
    process.stdout.write(`\r\u001b[2K${what === '' ? '' : `  ${what} ...`}`);
  } else if (what !== '' && performance.now() - progressPrintedAt > 5_000) {
    progressPrintedAt = performance.now();
    console.log(`  ${what} ...`);
  }
}
