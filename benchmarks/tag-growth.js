/** What does it cost to invalidate a tag, as the number of its entries grows? */
import { fileOf, namesOf } from './libraries/all.js';
import { startMember } from './support/members.js';
import { bars } from './support/plots.js';
import { median, percentile } from './support/statistics.js';
import { table } from './support/table.js';

const LIBRARIES = [
  'cachement-decorated',
  'bentocache',
  'cacheable',
  'async-cache-dedupe',
  'layered-loader',
  'type-cacheable',
];
const TAG = 'group';
/** How many entries are stored at the same time. */
const CALLERS = 64;

export const title = 'The invalidation of a tag, as its entries grow';
const explanation = `One process stores so many entries with one tag in Redis, and invalidates the tag: the time until that is
acknowledged, the median over the rounds. Before each round the entries are stored again. Afterwards it is checked that a sample of
the entries is loaded again.`;

export async function ask({ redis, quick, say }) {
  const sizes = quick ? [1, 100, 1_000] : [1, 100, 10_000, 100_000];
  const data = [];
  for (const library of LIBRARIES) {
    for (const size of sizes) {
      say(`${library}, ${size.toLocaleString('en')} entries`);
      const { call, stop } = await startMember(import.meta.url, fileOf(library));
      try {
        await call('open', { url: redis.url, prefix: `growth-${library}-${size}` });
        const rounds = size >= 100_000 ? 3 : size >= 10_000 ? 5 : 25;
        const times = [];
        for (let round = 0; round < rounds; round += 1) times.push(await call('round', { size }));
        data.push({ library, size, rounds, ms: { p50: median(times), worst: percentile(times, 1) } });
      } finally {
        await stop();
        await redis.client.flushall();
      }
    }
  }
  return {
    ...(await present(data, sizes, await namesOf(LIBRARIES))),
    data,
    explanation,
    libraries: LIBRARIES,
  };
}

export function member({ open }) {
  let cache;
  const store = async (size) => {
    let next = 0;
    const row = { name: 'x'.repeat(60) };
    const caller = async () => {
      while (next < size) await cache.read(`key-${next++}`, async () => row);
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
  };
  return {
    open: async ({ url, prefix }) => {
      cache = await open({ url, prefix, ttlSeconds: 3_600, tag: TAG });
    },
    /** Returns how long the invalidation took, in ms. */
    round: async ({ size }) => {
      await store(size);
      const begun = performance.now();
      await cache.invalidate.tag('key-0', async () => {});
      const ms = performance.now() - begun;
      for (const key of new Set([0, Math.floor(size / 2), size - 1])) {
        let loads = 0;
        await cache.read(`key-${key}`, async () => ({ name: `${(loads += 1)}` }));
        if (loads !== 1) throw new Error(`key-${key} was not loaded again.`);
      }
      return ms;
    },
  };
}

async function present(data, sizes, names) {
  const ms = (value) => (value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en'));
  const at = (library, size) => data.find((one) => one.library === library && one.size === size).ms.p50;
  const entries = (size) => `${size.toLocaleString('en')} ${size === 1 ? 'entry' : 'entries'}`;
  return {
    table: table(
      ['', ...sizes.map(entries)],
      [...names].map(([library, label]) => [label, ...sizes.map((size) => `${ms(at(library, size))} ms`)]),
    ),
    picture: await bars(
      title,
      sizes.map((size) => ({
        title: entries(size),
        unit: 'ms until the invalidation is acknowledged',
        bars: [...names].map(([library, label]) => ({
          label,
          value: at(library, size),
          text: `${ms(at(library, size))} ms`,
          ours: library.startsWith('cachement'),
        })),
      })),
    ),
  };
}
