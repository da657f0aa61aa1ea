import { Buffer } from 'node:buffer';
import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import type { Adapter } from '../../src/core/ports/adapter.js';
import { fakeClock } from '../../src/testing/index.js';
import { encodeLease, VALUE } from '../../src/core/ports/entry-format.js';
import { entryKey } from '../../src/core/keys/store-keys.js';
import { newToken } from '../../src/core/shared/token.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { LATER } from '../support/later.js';

test('G5 single flight: a running load extends its lease, for at most twenty times its length', async (t) => {
  for (const [leases, stored] of [
    [19, true],
    [22, false],
  ] as const) {
    const { openers, clock } = rig(t, 1, { defaults: { lease: 1_000 } });
    const { cache } = openers[0]!;
    const held = new HeldLoad(new Row());
    const first = cache.getOrSet('key', held.run);
    await held.entered;
    await clock.advance(leases * 1_000);
    held.finish();
    await first;
    t.is(await cache.has('key'), stored, `${leases}`);
    t.is(clock.timers, 0);
  }
});

test('a lease whose reply was lost is released', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  here!.chaos.fail('entries.lease', 'reply lost', 1);
  t.is(await here!.cache.getOrSet('key', row.load), 1);
  await settled();
  // Nothing to wait for: time stands still.
  t.is(await there!.cache.getOrSet('key', row.load), 1);
  t.is(await there!.cache.get('key'), 1);
});

test('a wakeup that arrives before the reply of the store is not lost', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  const lease = here!.chaos.hold('entries.lease', 'reply');
  const first = here!.cache.getOrSet('key', row.load);
  await lease.reached;
  theirs.finish();
  t.is(await other, 1);
  lease.release();
  // Nobody moves the clock, so nothing but the wake can end the wait.
  t.is(await first, 1);
});

test('G5 single flight: a call waits for the load of another process, and loads itself after lockTimeout', async (t) => {
  const { openers, clock, of } = rig(t, 2, { defaults: { lockTimeout: 5_000 } });
  const [here, there] = openers;
  const row = new Row();
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  const mine = new HeldLoad(row);
  const first = here!.cache.getOrSet('key', mine.run);
  await clock.advance(4_900);
  t.is(mine.runs, 0);
  await clock.advance(200);
  t.is(mine.runs, 1);
  mine.finish();
  t.is(await first, 1);
  t.false(of('load').at(-1)!.leased);
  theirs.finish();
  t.is(await other, 1);
});

test('an invalidated value is replaced in the round trip of the lease', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  await cache.getOrSet('key', () => 1);
  await cache.clear();
  const before = chaos.calls('entries.lease').length;
  t.is(await cache.getOrSet('key', () => 2), 2);
  t.is(chaos.calls('entries.lease').length - before, 1);
});

test('an invalidated value that was stored during the lookup is replaced', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const look = here!.chaos.hold('entries.read', 'reply');
  const read = here!.cache.getOrSet('key', row.load);
  await look.reached;
  await there!.cache.set('key', 0);
  await there!.cache.clear();
  look.release();
  t.is(await read, 1);
  t.is(await there!.cache.get('key'), 1);
});

for (const [title, flags] of [
  ['an empty value', VALUE],
  ['neither a lease nor a value', 0],
] as const) {
  test(`a record with the length of a lease that is ${title} is replaced`, async (t) => {
    const { openers, store, namespace } = rig(t);
    const { cache } = openers[0]!;
    const name = entryKey(namespace, 'key');
    const token = newToken();
    const record = Buffer.from(encodeLease(newToken()));
    record[2] = flags;
    await store.entries.lease(name, token, 1_000, undefined);
    t.is(await store.entries.fill(name, token, record, LATER), 'stored');
    t.is(await cache.getOrSet('key', () => 1), 1);
    t.is(await cache.get('key'), 1);
  });
}

test('a store that shows an invalidated record and does not replace it is asked for the lease once', async (t) => {
  const shared = memory();
  let isStuck = false;
  let requests = 0;
  const adapter: Adapter = {
    ...shared,
    open(host) {
      const backend = shared.open(host);
      const { entries } = backend;
      const lease: typeof entries.lease = async (key, ...rest) => {
        if (!isStuck) return entries.lease(key, ...rest);
        if (++requests === 10) isStuck = false;
        return { status: 'present', record: (await entries.read(key, [])).record! };
      };
      return { ...backend, entries: { ...entries, lease } };
    },
  };
  const caching = new Caching({ adapter, clock: fakeClock(), defaults: { ttl: '1m' } });
  t.teardown(() => caching.close());
  await caching.cache.getOrSet('key', () => 1);
  await caching.cache.clear();
  isStuck = true;
  t.is(await caching.cache.getOrSet('key', () => 2), 2);
  t.is(requests, 1);
});

test('a negativeTtl longer than the ttl holds: the nonces live as long as the entry', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), clock, defaults: { jitter: 0 } });
  t.teardown(() => caching.close());
  const times = { ttl: '1m', negativeTtl: '1h' } as const;
  let loads = 0;
  const load = async (): Promise<null> => {
    loads++;
    return null;
  };
  const find = async (): Promise<void> => {
    await caching.cache.getOrSet('plain', load, times);
    await caching.cache.getOrSet('arguments', load, { ...times, tags: ['org'] });
    await caching.cache.getOrSet('result', load, { ...times, tags: () => ['team'] });
  };
  await find();
  t.is(loads, 3);
  await clock.advance(59 * 60_000);
  await find();
  t.is(loads, 3);
  await clock.advance(60_000 + 1);
  await find();
  t.is(loads, 6);
});
