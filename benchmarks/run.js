/** npm run bench [-- --quick] [QUESTION ...]: measures, prints tables, writes results/. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const QUESTIONS = ['stampede', 'throughput', 'races', 'limits', 'locks', 'import'];

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const asked = args.filter((arg) => !arg.startsWith('--'));
const unknown = [...args.filter((arg) => arg.startsWith('--') && arg !== '--quick'), ...asked].filter(
  (arg) => arg !== '--quick' && !QUESTIONS.includes(arg),
);
if (unknown.length > 0) {
  console.error(
    `Unknown: ${unknown.join(' ')}. Questions are ${QUESTIONS.join(', ')}; the option is --quick.`,
  );
  process.exit(2);
}
if (!existsSync(new URL('../dist/index.js', import.meta.url))) {
  console.error(
    'The benchmarks measure the built package, and dist/ is not there. Build first: npm run build',
  );
  process.exit(1);
}
if (
  ['redis-semaphore', 'rate-limiter-flexible', 'esbuild'].some(
    (name) => !existsSync(new URL(`node_modules/${name}`, import.meta.url)),
  )
) {
  console.log(
    'Installing the libraries that are measured beside cachement (once; benchmarks/package-lock.json) ...',
  );
  // One of them says that it wants Node 22, and runs on 20 all the same.
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: here, stdio: 'inherit' });
}

const { fileOf } = await import('./libraries/all.js');
const { stopMembers } = await import('./support/members.js');
const { startRedis } = await import('./support/redis.js');
const { environment, versions, writeResult } = await import('./support/results.js');

const redis = await startRedis();
const begun = performance.now();
let lastSaid = begun;
try {
  const about = environment(redis, quick);
  console.log(
    Object.entries(about)
      .map(([key, value]) => `${key}: ${value}`)
      .join('\n'),
  );
  for (const name of asked.length > 0 ? asked : QUESTIONS) {
    const question = await import(`./${name}.js`);
    console.log(`\n${question.title}`);
    const result = await question.ask({ redis, quick, say: progress });
    progress('');
    const modules = await Promise.all(
      result.libraries.map(async (library) => versions(await import(fileOf(library)), fileOf(library))),
    );
    writeResult(
      name,
      { title: question.title, ...result },
      about,
      [...new Set(modules.flat())].toSorted(),
      quick,
    );
    console.log(`\n${result.table}`);
    if (result.notes !== undefined) console.log(`\n${result.notes}`);
    await redis.client.flushdb();
  }
  const folder = quick ? 'benchmarks/results/quick/' : 'benchmarks/results/';
  console.log(`\nWritten to ${folder} in ${((performance.now() - begun) / 1_000).toFixed(0)} s.`);
} finally {
  await stopMembers();
  await redis.stop();
}

/** One line that is written over on a terminal; elsewhere one now and then, so that nobody thinks it hangs. */
function progress(what) {
  if (process.stdout.isTTY) {
    process.stdout.write(`\r\u001b[2K${what === '' ? '' : `  ${what} ...`}`);
  } else if (what !== '' && performance.now() - lastSaid > 5_000) {
    lastSaid = performance.now();
    console.log(`  ${what} ...`);
  }
}
