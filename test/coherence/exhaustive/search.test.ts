import test from 'ava';
import { MemoryEntryStore } from '../../../src/adapters/memory/memory-entry-store.js';
import { PendingInvalidations } from '../../../src/core/cache/pending-invalidations.js';
import { L1Cache } from '../../../src/core/l1/l1-cache.js';
import { search, type World } from './search.js';
import type { Call, SetUp } from './set-up.js';
import { openWorld } from './world.js';

const read: Call = { do: 'read', key: 'a' };
const get: Call = { do: 'get', key: 'a' };
const put: Call = { do: 'put', row: 'a' };
const write: Call = { do: 'write', row: 'a', target: { keys: ['a'] } };
const writeByTag: Call = { do: 'write', row: 'a', target: { tags: ['t'] } };
const readTagged: Call = { do: 'read', key: 'a', options: { tags: ['t'] } };
const writeSafely: Call = { do: 'writeSafely', row: 'a', target: { keys: ['a'] }, safe: 1_000 };
const L1 = { coherence: 'bus', maxEntries: 3 } as const;

function together(one: Call, other: Call, more: Partial<SetUp> = {}): SetUp {
  const isOneProcess = more.processes === 1;
  return {
    title: `${one.do} and ${other.do}`,
    processes: 2,
    actors: [
      { name: 'A', on: 0, calls: [one] },
      { name: 'B', on: isOneProcess ? 0 : 1, calls: [other] },
    ],
    ...more,
  };
}

/** So small that every order can be run. */
const SMALL: readonly SetUp[] = [
  together(read, write, { title: 'a miss and a write in 2 processes', before: [read, write] }),
  together(read, write, { title: 'a hit and a write in 1 process', processes: 1, before: [read] }),
  together(put, get, { title: 'a put and a get in 2 processes', before: [read] }),
  together(write, write, { title: '2 writes in 2 processes', bounds: { faults: 1 }, faulty: ['remove'] }),
  together(get, write, {
    title: 'a get and a write, with evictions',
    before: [read],
    bounds: { evictions: 1 },
  }),
  together(get, writeByTag, { title: 'a get and a write by tag, with an L1', before: [readTagged], l1: L1 }),
  together(writeSafely, get, {
    title: 'a write that may die, and a get',
    before: [read],
    bounds: { kills: 1 },
  }),
  together(read, { do: 'pass', ms: 120 }, { title: 'a load, and time that passes', bounds: { failures: 1 } }),
  together(read, get, { title: 'requests that overtake', overtaking: true, before: [read] }),
  together(read, write, { title: 'a hit and a write with ticks', ticks: true, before: [read] }),
];

for (const setUp of SMALL) {
  test.serial(
    `what is left out changes nothing: the same states and outcomes as of all orders: ${setUp.title}`,
    async (t) => {
      const all = await search(() => openWorld(setUp, false), { isFull: true });
      const pruned = await search(() => openWorld(setUp, false), { counts: true });
      const eager = await search(() => openWorld(setUp));
      t.is(all.violation, undefined);
      t.is(pruned.states, all.states);
      t.deepEqual([...pruned.outcomes].sort(), [...all.outcomes].sort());
      t.deepEqual([...eager.outcomes].sort(), [...all.outcomes].sort());
      t.is(pruned.orders, BigInt(all.runs), 'Orders are counted without being run.');
      t.true(pruned.runs < all.runs && eager.runs <= pruned.runs);
      t.log(`${all.runs} orders, of which ${pruned.runs} were run, and ${eager.runs} with eager steps`);
    },
  );
}

// What caches do without the protocol.

test.serial('a store that needs no lease is found out', async (t) => {
  const { fill } = MemoryEntryStore.prototype;
  MemoryEntryStore.prototype.fill = function (this: MemoryEntryStore, key, token, ...rest) {
    void this.lease(key, token, 1_000, '*');
    return fill.call(this, key, token, ...rest);
  };
  t.teardown(() => (MemoryEntryStore.prototype.fill = fill));
  const { violation } = await search(() => openWorld(together(read, write)));
  t.regex(violation!.error.message, /got version 1 of a, and 2 was due/);
  t.true(violation!.steps.includes('p0L1 reads a'));
});

test.serial('a store that forgets to remove a nonce is found out', async (t) => {
  const { removeNonces } = MemoryEntryStore.prototype;
  MemoryEntryStore.prototype.removeNonces = async () => {};
  t.teardown(() => (MemoryEntryStore.prototype.removeNonces = removeNonces));
  const { violation } = await search(() => openWorld(together(readTagged, writeByTag)));
  t.regex(violation!.error.message, /got version 1 of a, and 2 was due/);
});

test.serial('a lease that is left is found out', async (t) => {
  const { fill } = MemoryEntryStore.prototype;
  MemoryEntryStore.prototype.fill = async () => 'refused';
  t.teardown(() => (MemoryEntryStore.prototype.fill = fill));
  const { violation } = await search(() => openWorld(together(read, get)));
  t.regex(violation!.error.message, /A lease of .* is left/);
});

test.serial('a cache whose readers do not wait for each other is found out', async (t) => {
  const { lease } = MemoryEntryStore.prototype;
  MemoryEntryStore.prototype.lease = function (this: MemoryEntryStore, key, token, ms) {
    return lease.call(this, key, token, ms, '*');
  };
  t.teardown(() => (MemoryEntryStore.prototype.lease = lease));
  const { violation } = await search(() => openWorld(together(read, read, { mostLoads: 1 })));
  t.regex(violation!.error.message, /G5: a was loaded 2 times/);
});

test.serial('a cache that forgets an invalidation that has failed is found out', async (t) => {
  const { add } = PendingInvalidations.prototype;
  PendingInvalidations.prototype.add = () => {};
  t.teardown(() => (PendingInvalidations.prototype.add = add));
  const setUp = { before: [read], processes: 1, bounds: { faults: 1 }, faulty: ['remove'] };
  const { violation } = await search(() => openWorld(together(write, read, setUp)));
  t.regex(violation!.error.message, /got version 1 of a, and 2 was due/);
  t.true(violation!.steps.some((step) => step.endsWith('remove is lost') || step.endsWith('remove is late')));
});

test.serial('a memory that no message reaches is found out', async (t) => {
  const { changed } = L1Cache.prototype;
  L1Cache.prototype.changed = () => {};
  t.teardown(() => (L1Cache.prototype.changed = changed));
  const { violation } = await search(() => openWorld(together(read, write, { before: [read], l1: L1 })));
  t.regex(violation!.error.message, /got version 1 of a, and 2 was due/);
});

test.serial('a world that is not the same in each run is reported', async (t) => {
  let opened = 0;
  const open = async (): Promise<World> => {
    const isFirst = opened++ === 0;
    let taken = 0;
    return {
      steps: () => (taken === 0 ? ['a', 'b'] : []),
      take: async (step) => {
        if (!isFirst && step === 'b') throw new Error('The step "b" is not there.');
        taken++;
        return { reads: new Set(), writes: new Set(['x']) };
      },
      state: () => `${opened} ${taken}`,
      end: async () => 'end',
    };
  };
  const { violation } = await search(open);
  t.regex(violation!.error.message, /is not there/);
  t.deepEqual(violation!.steps, ['b']);
});
