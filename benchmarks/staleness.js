/**
 * How long does another process return the old value from its memory, after an invalidation was acknowledged? And what
 * does an invalidation cost while others listen?
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { fileOf, namesOf } from './libraries/all.js';
import { startMember } from './support/members.js';
import { bars } from './support/plots.js';
import { readCommandsOf } from './support/read-commands.js';
import { median, percentile } from './support/statistics.js';
import { table } from './support/table.js';

const LIBRARIES = [
  'cachement-decorated',
  'cachement-tracking',
  'cachement-validate',
  'bentocache',
  'layered-loader',
  'cacheable',
  'node-redis',
];
/** Its hits are in memory too, and Redis confirms each of them. */
const ASKS_REDIS = 'cachement-validate';
const LISTENERS = [1, 4, 16];
const KEY = 'watched';
/** How long the reader goes on after an acknowledgement. */
const ROUND_MS = 15;

export const title = 'How long another process returns the old value';
const explanation = `One process changes a row, invalidates, and notes when the invalidation was acknowledged. Another one reads the row again
and again, from its memory. **Old for**: from the acknowledgement to the start of its last read that returned the old row; 0
if there was none. With several processes, the others read once in a millisecond. Before, it is checked that the reads of an
unchanged row are answered from memory; those of "l1 that asks Redis" are confirmed by Redis. **Invalidations**: one after the other, in
one process, while the others listen. All processes and Redis share two cores.`;

export async function ask({ redis, quick, say }) {
  const rounds = quick ? 60 : 400;
  const data = [];
  for (const library of LIBRARIES) {
    for (const listeners of LISTENERS) {
      say(`${library}, ${listeners} other ${listeners === 1 ? 'process' : 'processes'}`);
      data.push({
        library,
        listeners,
        ...(await measure(redis, library, listeners, rounds, quick ? 300 : 1_500)),
      });
    }
  }
  return { ...(await present(data, await namesOf(LIBRARIES))), data, explanation, libraries: LIBRARIES };
}

async function measure(redis, library, listeners, rounds, ms) {
  const members = await Promise.all(
    Array.from({ length: listeners + 1 }, () => startMember(import.meta.url, fileOf(library))),
  );
  const [writer, reader, ...others] = members;
  try {
    const setup = { url: redis.url, library: `${library}-${listeners}` };
    await writer.call('open', setup);
    await Promise.all([reader, ...others].map(({ call }) => call('open', setup)));
    // Until the libraries keep what they read, and have begun to listen.
    await pause(1_500);
    if (library !== ASKS_REDIS) await onlyHitsInMemory(redis.client, library, reader);
    await Promise.all(others.map(({ call }) => call('readEvery', { ms: 1 })));
    const oldForMs = [];
    let fromMemory = 0;
    for (let round = 1; round <= rounds; round += 1) {
      const watched = reader.call('watch', { version: round, ms: ROUND_MS });
      await pause(3);
      const acknowledgedAt = await writer.call('write', { version: round });
      const { lastOldAt, reads } = await watched;
      fromMemory += reads;
      oldForMs.push(Math.max(0, (lastOldAt - acknowledgedAt) / 1e6));
    }
    const invalidations = await writer.call('invalidateFor', { ms });
    return {
      rounds,
      reads: fromMemory,
      oldForMs: { p50: median(oldForMs), p99: percentile(oldForMs, 0.99), worst: percentile(oldForMs, 1) },
      invalidationsPerSecond: invalidations,
    };
  } finally {
    await Promise.all(members.map(({ stop }) => stop()));
  }
}

/** A library that asks Redis at every read would return nothing old. Reads again on a busy machine: a heartbeat may be late. */
async function onlyHitsInMemory(client, library, { call }) {
  const reads = 500;
  let commands;
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const before = await readCommandsOf(client);
    await call('read', { reads });
    commands = (await readCommandsOf(client)) - before;
    // Some libraries send heartbeats.
    if (commands < reads / 10) return;
  }
  throw new Error(`${library}: ${reads} reads made ${commands} commands to Redis.`);
}

/** What one of the processes does. The database is a key of Redis with the version of the row. */
export function member({ open }) {
  let cache;
  let database;
  let versionKey;
  const load = async () => ({ version: Number(await database.get(versionKey)) });
  const now = () => Number(process.hrtime.bigint());
  return {
    open: async ({ url, library }) => {
      database = new Redis(url);
      versionKey = `staleness:${library}`;
      await database.setnx(versionKey, 0);
      cache = await open({ url, prefix: `stale-${library}`, ttlSeconds: 3_600, near: true });
      for (let i = 0; i < 5; i += 1) {
        await cache.read(KEY, load);
        await pause(100);
      }
    },
    read: async ({ reads }) => {
      for (let i = 0; i < reads; i += 1) await cache.read(KEY, load);
    },
    readEvery: ({ ms }) => {
      const again = async () => {
        await cache.read(KEY, load).catch(() => {});
        setTimeout(again, ms);
      };
      void again();
    },
    watch: async ({ version, ms }) => {
      let lastOldAt = 0;
      let reads = 0;
      let until = now() + 1e9;
      for (;;) {
        const begun = now();
        if (begun > until) return { lastOldAt, reads };
        const row = await cache.read(KEY, load);
        reads += 1;
        if (row.version < version) lastOldAt = begun;
        else until = Math.min(until, begun + ms * 1e6);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    write: async ({ version }) => {
      await cache.invalidate.key(KEY, () => database.set(versionKey, version));
      return now();
    },
    invalidateFor: async ({ ms }) => {
      const begun = performance.now();
      let count = 0;
      while (performance.now() - begun < ms) {
        await cache.invalidate.key(KEY, async () => {});
        count += 1;
      }
      return (count / (performance.now() - begun)) * 1_000;
    },
  };
}

async function present(data, names) {
  const ms = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(0));
  const at = (library, listeners) =>
    data.find((one) => one.library === library && one.listeners === listeners);
  const others = (listeners) => `${listeners} other${listeners === 1 ? '' : 's'}`;
  return {
    table: [
      'Old for, in ms: median / p99 / worst',
      '',
      table(
        ['', ...LISTENERS.map(others)],
        [...names].map(([library, label]) => [
          label,
          ...LISTENERS.map((listeners) => {
            const { p50, p99, worst } = at(library, listeners).oldForMs;
            return `${ms(p50)} / ${ms(p99)} / ${ms(worst)}`;
          }),
        ]),
      ),
      '',
      'Invalidations per second',
      '',
      table(
        ['', ...LISTENERS.map(others)],
        [...names].map(([library, label]) => [
          label,
          ...LISTENERS.map((listeners) =>
            Math.round(at(library, listeners).invalidationsPerSecond).toLocaleString('en'),
          ),
        ]),
      ),
    ].join('\n'),
    picture: await bars(
      title,
      LISTENERS.map((listeners) => ({
        title: `${others(listeners)}, p99`,
        unit: 'ms after the acknowledgement',
        bars: [...names].map(([library, label]) => ({
          label,
          value: at(library, listeners).oldForMs.p99,
          text: `${ms(at(library, listeners).oldForMs.p99)} ms`,
          ours: library.startsWith('cachement'),
        })),
      })),
    ),
  };
}
