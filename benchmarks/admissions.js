/**
 * What each algorithm lets through over time. The same calls are made under each: a lone one, bursts, then pressure
 * without a pause. All of them run on a real Redis at the same time, each under a key of its own. Writes the pictures
 * of docs/rate-limits.md too.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { timelines } from './support/plots.js';
import { table } from './support/table.js';
import { Caching, RateLimitExceededError } from '../dist/index.js';
import { ioredis } from '../dist/ioredis.js';

const LIMIT = 20;
const PER_MS = 1_000;
const SECONDS = 8;
const RULES = [
  { algorithm: 'gcra' },
  { algorithm: 'token-bucket', burst: 10 },
  { algorithm: 'sliding-window-log' },
  { algorithm: 'sliding-window-counter' },
  { algorithm: 'fixed-window' },
];
/** The width of a bar in the picture of one algorithm, and in the picture of all. */
const BAR_MS = { alone: 50, beside: 100 };
/** A lone call, two bursts close to each other, two with half a second between them, then pressure without a pause. */
const CALLS = [
  { at: 0, count: 1 },
  { at: 910, count: 40 },
  { at: 1_060, count: 40 },
  { at: 2_210, count: 40 },
  { at: 2_710, count: 40 },
  ...Array.from({ length: 450 }, (_, i) => ({ at: 3_505 + i * 10, count: 1 })),
];
/** How long the i-th body holds its slot: different lengths, the same ones in each run. */
const bodyMs = (i) => 120 + ((i * 37) % 160);

export const title = 'The same calls under each algorithm';
const explanation = `A limit of ${LIMIT} a second. **Most at once**: the largest number of calls that were admitted within any second, from the
time at which a call was sent to a second after its reply; for \`concurrency\` the largest number of bodies that ran at once. [The pictures](../../docs/rate-limits.md#the-algorithms).`;

export async function ask({ redis, quick, say }) {
  const caching = new Caching({
    adapter: ioredis(redis.url, { timeout: '2s' }),
    namespace: 'admissions',
    limits: { denialCache: false, storeTimeout: '2s', onUnavailable: 'deny' },
  });
  try {
    await caching.ready();
    say('warming up');
    await play(caching, 'warm-up', 300);
    say(`making the calls, ${SECONDS} s`);
    const recorded = await play(caching, 'run', SECONDS * 1_000);
    return {
      ...(await present(recorded, quick)),
      data: dataOf(recorded),
      explanation,
      packages: ['cachement', 'ioredis'],
    };
  } finally {
    await caching.close();
  }
}

/** Makes all calls under each rule. Times are in ms since the start. */
async function play(caching, run, ms) {
  const consumed = RULES.map(() => []);
  const slots = [];
  const begun = performance.now();
  const now = () => performance.now() - begun;
  const under = [];
  for (const { at, count } of CALLS) {
    if (at >= ms) break;
    if (at > now()) await delay(at - now());
    for (let i = 0; i < count; i++) {
      RULES.forEach((rule, k) => under.push(consume(caching, `${run}:${k}`, rule, consumed[k], now)));
      under.push(hold(caching, `${run}:slots`, slots, now, bodyMs(slots.length)));
    }
  }
  await Promise.all(under);
  return { consumed, slots };
}

/**
 * The store decided between `sent` and `at`. Whoever was admitted is drawn to leave the window `PER_MS` after the first
 * and to enter it at the second, so that no window is drawn with more in it than it surely had.
 */
async function consume(caching, key, rule, calls, now) {
  const sent = tenth(now());
  const { allowed } = await caching.limits.consume(key, { limit: LIMIT, per: PER_MS, ...rule });
  calls.push({ at: tenth(now()), allowed, until: sent + PER_MS });
}

async function hold(caching, key, calls, now, ms) {
  const call = { at: tenth(now()), allowed: true, until: undefined };
  calls.push(call);
  try {
    await caching.limits.run(key, { algorithm: 'concurrency', limit: LIMIT, lease: '10s' }, async () => {
      call.at = tenth(now());
      await delay(ms);
      call.until = tenth(now());
    });
  } catch (error) {
    if (!(error instanceof RateLimitExceededError)) throw error;
    call.at = tenth(now());
    call.allowed = false;
  }
}

/** The table. A full run draws the pictures of the docs; a quick one leaves them alone. */
async function present({ consumed, slots }, quick) {
  const windows = RULES.map(({ algorithm, burst }, i) => ({
    name: algorithm,
    title: burst === undefined ? algorithm : `${algorithm}, burst ${burst}`,
    calls: consumed[i],
    spans: admitted(consumed[i]),
    words: 'in any second',
    line: 'admitted in the second before',
  }));
  const atOnce = {
    name: 'concurrency',
    title: 'concurrency',
    calls: slots,
    spans: admitted(slots),
    words: 'at once',
    line: 'running at once',
  };
  const all = [...windows, atOnce];
  const line = 'admitted in the second before (concurrency: running at once)';
  const beside = all.map((one) => timeline(one, BAR_MS.beside));
  const picture = await timelines(title, beside, line);
  if (!quick) {
    const images = new URL('../docs/images/', import.meta.url);
    mkdirSync(images, { recursive: true });
    writeFileSync(new URL('algorithms.svg', images), picture);
    for (const one of all) {
      const content = await timelines(one.title, [timeline(one, BAR_MS.alone)], one.line);
      writeFileSync(new URL(`${one.name}.svg`, images), content);
    }
  }
  return {
    table: table(
      ['', 'calls', 'admitted', 'most at once'],
      all.map(({ calls, spans }, i) => [
        beside[i].title,
        String(calls.length),
        String(spans.length),
        beside[i].note.replace('at most ', ''),
      ]),
    ),
    ...(quick ? { picture } : {}),
  };
}

function dataOf({ consumed, slots }) {
  return {
    limit: LIMIT,
    perMs: PER_MS,
    rules: RULES,
    calls: CALLS.length,
    consumed: consumed.map(compact),
    slots: compact(slots),
  };
}

/** Bars of the calls, and a line of how many of the spans cover each moment. */
function timeline({ title, calls, spans, words }, barMs) {
  const bars = Array.from({ length: (SECONDS * 1_000) / barMs }, () => ({ admitted: 0, refused: 0 }));
  for (const { at, allowed } of calls) {
    const bar = bars[Math.floor(at / barMs)];
    if (bar !== undefined) bar[allowed ? 'admitted' : 'refused'] += 1;
  }
  const edges = spans
    .flatMap(({ at, until }) => [
      { time: at, step: 1 },
      { time: until, step: -1 },
    ])
    .toSorted((a, b) => a.time - b.time || a.step - b.step);
  let count = 0;
  let most = 0;
  const steps = [];
  for (const { time, step } of edges) {
    count += step;
    most = Math.max(most, count);
    if (time < SECONDS * 1_000) steps.push([time / 1_000, count]);
  }
  return { title, note: `at most ${most} ${words}`, limit: LIMIT, seconds: SECONDS, barMs, bars, steps };
}

function admitted(calls) {
  return calls.filter(({ allowed }) => allowed);
}

/** In ms: when the replies arrived, and until when an admitted call counts (for slots: runs). */
function compact(calls) {
  return {
    admitted: admitted(calls).map(({ at }) => at),
    until: admitted(calls).map(({ until }) => tenth(until)),
    refused: calls.filter(({ allowed }) => !allowed).map(({ at }) => at),
  };
}

function tenth(ms) {
  return Math.round(ms * 10) / 10;
}
