/**
 * What do callers feel when a value expires, when its database is slow, and when it is down? Draws the timeline of
 * docs/staleness.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { courses } from './support/plots.js';
import { percentile } from './support/statistics.js';
import { table } from './support/table.js';
import { Caching } from '../dist/index.js';
import { ioredis } from '../dist/ioredis.js';

const SETUPS = [
  { label: 'cachement: ttl', options: {} },
  { label: 'cachement: grace', options: { grace: '1h', graceBackoff: '500ms' } },
  {
    label: 'cachement: grace, softTimeout: 50ms',
    options: { grace: '1h', graceBackoff: '500ms', softTimeout: '50ms' },
  },
  {
    label: 'cachement: grace, softTimeout: 0',
    options: { grace: '1h', graceBackoff: '500ms', softTimeout: 0 },
  },
  {
    label: 'cachement: grace, refreshAhead: 0.7',
    options: { grace: '1h', graceBackoff: '500ms', refreshAhead: 0.7 },
  },
];
const TTL_MS = 1_000;
const SECONDS = 10;
const CALL_EVERY_MS = 25;
/** In s. A query takes 100 ms, and 500 ms in the second phase. In the third it fails. */
const PHASES = [
  { name: 'usual', from: 0, until: 3 },
  { name: 'slow', from: 3, until: 5.5 },
  { name: 'down', from: 5.5, until: 8 },
  { name: 'usual again', from: 8, until: SECONDS },
];
const DOWN = PHASES[2];

export const title = 'What callers feel when a value expires';
const explanation = `A value with a ttl of one second. A call is made every ${CALL_EVERY_MS} ms. A query of the database takes 100 ms, from ${PHASES[1].from} s on
500 ms, and fails from ${DOWN.from} s until ${DOWN.until} s (shaded). **Latency**: the 99th percentile of the calls of the phase. **Age**: the age of
the oldest value that a call returned. **Errors**: calls that rejected.`;

export async function ask({ redis, quick, say }) {
  const recorded = [];
  for (const { label, options } of SETUPS) {
    say(label);
    recorded.push({ label, calls: await play(redis.url, label, options) });
  }
  const result = await present(recorded);
  if (!quick) {
    const images = new URL('../docs/images/', import.meta.url);
    mkdirSync(images, { recursive: true });
    writeFileSync(new URL('staleness.svg', images), result.picture);
  }
  return { ...result, data: recorded, explanation, packages: ['cachement', 'ioredis'] };
}

async function play(url, label, options) {
  const caching = new Caching({
    adapter: ioredis(url),
    namespace: `stale-values-${label.replace(/\W+/g, '-')}`,
    defaults: { ttl: TTL_MS, jitter: 0, ...options },
  });
  await caching.ready();
  const begun = performance.now();
  const now = () => (performance.now() - begun) / 1_000;
  const phase = () => PHASES.findLast(({ from }) => now() >= from).name;
  const load = async () => {
    const loadedAt = now();
    await delay(phase() === 'slow' ? 500 : 100);
    if (phase() === 'down') throw new Error('The database is down.');
    return { loadedAt };
  };
  const calls = [];
  const call = async () => {
    const at = now();
    try {
      const { loadedAt } = await caching.cache.getOrSet('value', load);
      calls.push({ at, ms: (now() - at) * 1_000, age: now() - loadedAt, errors: 0 });
    } catch {
      calls.push({ at, ms: (now() - at) * 1_000, errors: 1 });
    }
  };
  const made = [];
  for (let next = 0; next < SECONDS * 1_000; next += CALL_EVERY_MS) {
    const wait = next - now() * 1_000;
    if (wait > 0) await delay(wait);
    made.push(call());
  }
  await Promise.all(made);
  await caching.close();
  return calls.toSorted((a, b) => a.at - b.at);
}

async function present(recorded) {
  const rows = recorded.flatMap(({ label, calls }) =>
    PHASES.map(({ name, from, until }) => {
      const own = calls.filter(({ at }) => at >= from && at < until);
      const ages = own.flatMap(({ age }) => (age === undefined ? [] : [age]));
      return [
        `${label}: ${name}`,
        `${percentile(
          own.map(({ ms }) => ms),
          0.99,
        ).toFixed(0)} ms`,
        ages.length === 0 ? '-' : `${Math.max(...ages).toFixed(1)} s`,
        String(own.filter(({ errors }) => errors > 0).length),
      ];
    }),
  );
  return {
    table: table(['', 'latency, p99', 'age, oldest', 'errors'], rows),
    picture: await courses(
      title,
      recorded.map(({ label, calls }) => ({ label, points: calls })),
      [
        { field: 'ms', title: 'latency of a call, ms' },
        { field: 'age', title: 'age of its value, s', mark: TTL_MS / 1_000 },
        { field: 'errors', title: 'calls that reject' },
      ],
      DOWN,
    ),
  };
}
