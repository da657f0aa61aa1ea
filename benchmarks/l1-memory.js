/**
 * How much memory does an entry of the L1 take, beside what `maxBytes` counts? Measured through the public API over
 * `memory()`, whose records are not counted.
 */
import { Buffer } from 'node:buffer';
import process from 'node:process';
import v8 from 'node:v8';
import vm from 'node:vm';
import { Caching } from '../dist/index.js';
import { memory } from '../dist/memory.js';
import { startMember } from './support/members.js';
import { bars } from './support/plots.js';
import { table } from './support/table.js';

/** The class that estimates, as tsc has compiled it. */
const ESTIMATE = new URL('../build/tsc/core/l1/l1-entry.js', import.meta.url);
/** A million entries beside their records need more than the heap that Node.js allows itself. */
const EXEC_ARGV = ['--max-old-space-size=12288'];
/** `hits`: how often each value is returned from memory. A load stores the encoded value, and the first hit decodes it. */
const KINDS = {
  reference: { values: 'reference', hits: 1 },
  'reference, never returned': { values: 'reference', hits: 0 },
  cloned: { values: 'cloned', hits: 1 },
};

/** A row of a table, with short strings, a number and a boolean. */
const user = (id) => ({
  id: `user-${id}`,
  name: `Ada Lovelace ${id}`,
  email: `ada-${id}@example.org`,
  organisation: 'analytical-engines',
  roles: ['admin', 'author'],
  active: true,
  score: 0.8125,
  createdAt: '2026-01-31T08:15:30.000Z',
});
const users = (count) => (id) => ({ id, rows: Array.from({ length: count }, (_, i) => user(`${id}-${i}`)) });

const SHAPES = {
  '50 B': { make: (id) => ({ id: `user-${id}`, name: `Ada ${id}`, age: 36 }), entries: 100_000 },
  '200 B': { make: user, entries: 100_000 },
  '200 B, a million': { make: user, entries: 1_000_000 },
  '200 B, two tags': { make: user, entries: 100_000, tags: (i) => [`row:${i}`, `group:${i % 100}`] },
  '2 kB': { make: users(10), entries: 50_000 },
  '20 kB': { make: users(100), entries: 5_000 },
  'a text of 2 kB': { make: (id) => `${id} `.padEnd(2_000, 'lorem ipsum '), entries: 50_000 },
  '1,000 small integers': {
    make: (id) => Array.from({ length: 1_000 }, (_, i) => (id + i) % 10),
    entries: 20_000,
  },
};

export const title = 'The memory of an entry in the L1';
const explanation = `**Real**: the heap and the buffers that are free again after the L1 was closed, for each entry, less what is free after the same
calls without an L1. **Estimate**: what the entry counts towards \`maxBytes\`. **Part**: real of estimate; up to 1.00, \`maxBytes\`
bounds the memory. **Resident**: how much larger the process is than the one without an L1, for each entry; with a million entries this
is more than chance. It has what Node.js does not report, as the allocator's part of each buffer, and the free pages of the heap.`;

export async function ask({ quick, say }) {
  const data = [];
  for (const [shape, { entries: full }] of Object.entries(SHAPES)) {
    const entries = quick ? Math.ceil(full / 10) : full;
    say(`${shape}, without an L1`);
    const off = await inProcess({ shape, entries });
    for (const kind of Object.keys(KINDS)) {
      say(`${shape}, ${kind}`);
      const on = await inProcess({ shape, entries, kind });
      data.push({
        shape,
        kind,
        entries,
        payloadBytes: on.payloadBytes,
        realBytes: (on.freed - off.freed) / entries,
        estimatedBytes: on.estimatedBytes,
        residentBytes: (on.resident - off.resident) / entries,
      });
    }
  }
  return { ...(await present(data)), data, explanation, packages: ['cachement'] };
}

async function inProcess(setup) {
  const { call, stop } = await startMember(import.meta.url, undefined, { execArgv: EXEC_ARGV });
  try {
    return await call('measure', setup);
  } finally {
    await stop();
  }
}

/** What one of the processes does. */
export function member() {
  v8.setFlagsFromString('--expose-gc');
  const collectGarbage = vm.runInNewContext('gc');
  const inUse = () => {
    // Twice: buffers are released by what runs after the first.
    for (let i = 0; i < 2; i += 1) collectGarbage();
    const { heapUsed, external, rss } = process.memoryUsage();
    return { used: heapUsed + external, rss };
  };
  return {
    /** @param kind of an L1; undefined: without one */
    measure: async ({ shape, entries, kind }) => {
      const { values, hits } = KINDS[kind ?? 'reference'];
      const limits = { maxEntries: entries, maxBytes: 2 ** 40, ttl: '1h', values };
      const adapter = memory({ maxEntries: 4 * entries, maxBytes: 2 ** 40 });
      const options = { adapter, namespace: 'l1-memory', defaults: { ttl: '1h' } };
      let caching = new Caching({ ...options, l1: kind === undefined ? false : limits });
      await caching.ready();
      for (let i = 0; i <= hits; i += 1) await readAll(caching, SHAPES[shape], entries);
      if (kind !== undefined && hits > 0) await expectInMemory(caching, entries);
      const before = inUse();
      await caching.close();
      caching = undefined;
      const after = inUse();
      return {
        freed: before.used - after.used,
        resident: before.rss,
        ...(await weigh(shape, entries, values)),
      };
    },
  };
}

async function readAll({ cache }, { make, tags }, entries) {
  for (let i = 0; i < entries; i += 1) {
    const load = async () => make(i);
    await cache.getOrSet(`row:${i}`, load, tags === undefined ? {} : { tags: tags(i) });
  }
}

async function expectInMemory({ cache }, entries) {
  for (const i of [0, entries >> 1, entries - 1]) {
    const { tier } = await cache.peek(`row:${i}`);
    if (tier !== 'l1') throw new Error(`Expected row ${i} of ${entries} in the L1, and found it in ${tier}.`);
  }
}

/** What the last entry counts towards `maxBytes`. */
async function weigh(shape, entries, values) {
  const { L1Entry } = await import(ESTIMATE);
  const { make, tags = () => [] } = SHAPES[shape];
  const payload = Buffer.from(JSON.stringify(make(entries - 1)));
  const nonce = 'n'.repeat(16);
  const tagVersions = tags(entries - 1).map((tag) => ({ tag, nonce }));
  const entry = { token: nonce, codec: 1, clearNonce: nonce, tags: tagVersions, payload };
  const record = { entry, decoded: undefined, expiresAt: 0 };
  const kept = { at: 0, sequence: 0, epoch: 0 };
  const { weight } = new L1Entry(`row:${entries - 1}`, record, [], { values }, kept);
  return { payloadBytes: payload.length, estimatedBytes: weight };
}

async function present(data) {
  const part = ({ realBytes, estimatedBytes }) => realBytes / estimatedBytes;
  const bytes = (number) => `${Math.round(number).toLocaleString('en')} B`;
  const rows = data.map((one) => [
    `${one.shape}, ${one.kind}`,
    one.entries.toLocaleString('en'),
    bytes(one.payloadBytes),
    bytes(one.realBytes),
    bytes(one.estimatedBytes),
    part(one).toFixed(2),
    bytes(one.residentBytes),
  ]);
  return {
    table: table(['', 'entries', 'value as JSON', 'real', 'estimate', 'part', 'resident'], rows),
    picture: await bars(
      title,
      Object.keys(KINDS).map((kind) => ({
        title: kind,
        unit: 'real memory of an entry, as a part of what maxBytes counts for it',
        mark: 1,
        bars: data
          .filter((one) => one.kind === kind)
          .map((one) => ({ label: one.shape, value: part(one), text: part(one).toFixed(2), ours: true })),
      })),
    ),
  };
}
