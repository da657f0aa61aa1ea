/**
 * node scripts/soak.js [MINUTES] [COHERENCE]: four processes with an L1 read and invalidate at random, while the server, the
 * connections and the processes are disturbed. Checks the whole history as test/coherence/history does, and measures the
 * memory of the processes. Prints a line every minute, and fails if there is a violation or an unhandled rejection.
 *
 * MINUTES    5 by default
 * COHERENCE  bus (default), tracking or validate
 *
 * Writes soak.md, soak.json and soak.svg to benchmarks/results, and those of less than 20 minutes to its folder quick.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const [minutes = 5, coherence = 'bus'] = process.argv
  .slice(2)
  .map((arg) => (Number(arg) > 0 ? Number(arg) : arg));
const PROCESSES = 4;
const KEYS = 48;
/** A shorter run says little about memory. */
const FULL_MINUTES = 20;
const MIB = 2 ** 20;
const FIGURES = [
  { field: 'rss', title: 'rss, MiB' },
  { field: 'heapUsed', title: 'heapUsed after a collection, MiB' },
  { field: 'arrayBuffers', title: 'arrayBuffers, MiB' },
];

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.test.json'], { cwd: root, stdio: 'inherit' });
if (!existsSync(new URL('../benchmarks/node_modules/.package-lock.json', import.meta.url))) {
  const cwd = fileURLToPath(new URL('../benchmarks/', import.meta.url));
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd, stdio: 'inherit' });
}

const { runHistory } = await import('../build/legacy/test/coherence/history/run-history.js');
const samples = Array.from({ length: PROCESSES }, () => []);
let printed = 0;
const result = await runHistory({
  ms: minutes * 60_000,
  processes: PROCESSES,
  keys: KEYS,
  coherence,
  onSample: (sample) => {
    samples[sample.process].push(sample);
    if (sample.process > 0 || sample.at < printed + 60) return;
    printed = sample.at;
    console.log(
      `${Math.round(sample.at)} s: ${whole(sum('calls'))} calls, ${Math.round(sample.rss / MIB)} MiB rss`,
    );
  },
});
await report();

function whole(number) {
  return Math.round(number).toLocaleString('en');
}

/** The last figure of each process. */
function sum(field) {
  return samples.reduce((total, list) => total + (list.at(-1)?.[field] ?? 0), 0);
}

async function report() {
  const { courses } = await import('../benchmarks/support/plots.js');
  const { environment, writeResult } = await import('../benchmarks/support/results.js');
  const { table } = await import('../benchmarks/support/table.js');
  const { examples, uncaught, faults, redis: version, ...counts } = result;
  const calls = sum('calls');
  const rows = [
    ['calls', whole(calls)],
    ['reads', whole(counts.reads)],
    ['hits in the L1', `${whole(counts.l1Hits)} (${Math.round((100 * counts.l1Hits) / counts.reads)} %)`],
    ['invalidations, acknowledged', `${whole(counts.invalidations)}, ${whole(counts.acknowledged)}`],
    ['faults', whole(Object.values(faults).reduce((total, one) => total + one, 0))],
    ['violations', whole(counts.violations)],
    ['unhandled rejections and exceptions', whole(uncaught.length)],
    ['stale reads within the bound', whole(counts.staleReads)],
    ['longest after the acknowledgement', `${counts.worstStaleMs.toFixed(1)} ms`],
    ...FIGURES.map(({ field, title }) => [`${title}, after 1 minute and at the end`, memory(field)]),
  ];
  const points = (list) =>
    list.map(({ at, ...sample }) => ({
      at,
      ...Object.fromEntries(FIGURES.map(({ field }) => [field, sample[field] / MIB])),
    }));
  const title = `A soak of ${minutes} minutes, with an L1 (${coherence})`;
  const picture = await courses(
    title,
    samples.map((list, i) => ({ label: `process ${i + 1}`, points: points(list) })),
    FIGURES,
    { from: 0, until: 0 },
  );
  const explanation =
    `\`node scripts/soak.js ${minutes} ${coherence}\`: ${PROCESSES} processes with an L1 read and invalidate at random, while connections are cut ` +
    'and held, messages are late, the server and the processes are paused, and the server is emptied. What ' +
    'counts as a violation: test/coherence/history/check-history.ts.';
  const data = { minutes, coherence, ...counts, calls, faults, examples, uncaught, samples };
  const redis = { version, where: 'this machine' };
  const isQuick = minutes < FULL_MINUTES;
  const written = { title, explanation, table: table(['', ''], rows), picture, data };
  writeResult('soak', written, environment(redis, isQuick), [], isQuick);
  console.log(written.table);
  console.log(
    Object.entries(faults)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', '),
  );
  if (counts.violations === 0 && uncaught.length === 0) return;
  console.error(JSON.stringify({ examples, uncaught }, undefined, 2));
  process.exitCode = 1;
}

/** Of the processes, at the end of the first minute and of the run. */
function memory(field) {
  const at = (pick) => samples.map((list) => Math.round(pick(list)[field] / MIB)).join(' ');
  return `${at((list) => list.find((one) => one.at >= 60) ?? list.at(-1))}; ${at((list) => list.at(-1))}`;
}
