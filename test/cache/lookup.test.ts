import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import type { Adapter } from '../../src/core/ports/adapter.js';
import { fakeClock } from '../../src/testing/index.js';
import { entryKey } from '../../src/core/keys/store-keys.js';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { TARGETS } from './invalidation-targets.js';

test('G3 read your writes: a pending invalidation that is acknowledged while a call reads nonces still applies to that call', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const options = { tags: () => ['org'] };
  await cache.getOrSet('key', row.load, options);
  row.write();
  chaos.fail('entries.removeNonces', 'refused', 1);
  t.false((await cache.invalidate({ tags: ['org'] })).acknowledged);
  const nonces = chaos.hold('entries.nonces', 'reply');
  const read = cache.getOrSet('key', row.load, options);
  // The call has read the old entry, and the old nonce unless it saw the mark first.
  await Promise.race([nonces.reached, read]);
  await clock.advance(1_000);
  t.false(cache.pending);
  nonces.release();
  t.is(await read, 2);
});

for (const { by, target } of TARGETS) {
  const options = by === 'tag' ? { tags: ['org'] } : {};

  test(`G3 read your writes: after an unacknowledged invalidation by ${by}, a call does not return the entry`, async (t) => {
    const { openers } = rig(t);
    const { cache, chaos } = openers[0]!;
    const row = new Row();
    await cache.getOrSet('key', row.load, options);
    row.write();
    chaos.fail(by === 'key' ? 'entries.remove' : 'entries.removeNonces', 'refused', 1);
    t.false((await cache.invalidate(target)).acknowledged);
    t.is(await cache.getOrSet('key', row.load, options), 2);
  });
}

test('G3 read your writes: get, has and getMany find nothing under an unacknowledged invalidation', async (t) => {
  for (const { by, target } of TARGETS) {
    const { openers } = rig(t);
    const { cache, chaos } = openers[0]!;
    await cache.set('key', 1, by === 'tag' ? { tags: ['org'] } : {});
    chaos.fail(by === 'key' ? 'entries.remove' : 'entries.removeNonces', 'refused', 1);
    await cache.invalidate(target);
    t.is(await cache.get('key'), undefined, by);
    t.false(await cache.has('key'), by);
    t.is((await cache.getMany(['key'])).size, 0, by);
  }
});

test('G3 read your writes: an entry whose tags only its record names is not returned under a pending invalidation of such a tag', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  await there!.cache.getOrSet('key', row.load, { tags: () => ['org'] });
  row.write();
  here!.chaos.fail('entries.removeNonces', 'refused', 1);
  await here!.cache.invalidate({ tags: ['org'] });
  t.is(await here!.cache.getOrSet('key', row.load), 2);
  t.is(await there!.cache.getOrSet('key', row.load), 1);
});

test('G4 monotonic reads: after a load without the store, no older entry is returned, even if the time of the store is unknown', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  t.is(await there!.cache.getOrSet('key', row.load), 1);
  row.write();
  here!.chaos.fail('entries.read', 'refused', 1);
  t.is(await here!.cache.getOrSet('key', row.load), 2);
  t.is(await here!.cache.getOrSet('key', row.load), 2);
});

test('G4 monotonic reads: after a load that lost its lease, no entry of an earlier load is returned', async (t) => {
  const { openers, store, namespace, clock } = rig(t, 2);
  const [here, there] = openers;
  const row = new Row();
  const mine = new HeldLoad(row);
  const created = here!.chaos.hold('entries.getOrCreateNonces', 'reply');
  const first = here!.cache.getOrSet('key', mine.run);
  await created.reached;
  // The lease is evicted before the load begins, and another process takes one.
  await store.entries.remove([entryKey(namespace, 'key')]);
  await clock.advance(1);
  const theirs = new HeldLoad(row);
  const other = there!.cache.getOrSet('key', theirs.run);
  await theirs.entered;
  row.write();
  await clock.advance(1);
  created.release();
  await mine.entered;
  mine.finish();
  t.is(await first, 2);
  theirs.finish();
  t.is(await other, 1);
  t.is(await here!.cache.getOrSet('key', row.load), 2);
});

test('G4 monotonic reads: a process returns the value that it loaded and stored, however slow its lease was', async (t) => {
  const { openers, clock } = rig(t);
  const { cache, chaos } = openers[0]!;
  const row = new Row();
  const created = chaos.hold('entries.getOrCreateNonces', 'reply');
  const first = cache.getOrSet('key', row.load);
  await created.reached;
  await clock.advance(100);
  created.release();
  t.is(await first, 1);
  row.write();
  t.is(await cache.getOrSet('key', row.load), 1);
});

test('get, has and getMany reject when the nonces of an entry with tags cannot be read', async (t) => {
  const { openers } = rig(t);
  const { cache, chaos } = openers[0]!;
  await cache.set('key', 1, { tags: ['org'] });
  for (const read of [() => cache.get('key'), () => cache.has('key'), () => cache.getMany(['key'])]) {
    chaos.fail('entries.nonces', 'refused', 1);
    await t.throwsAsync(read, { instanceOf: StoreUnavailableError });
  }
  t.is(await cache.get('key'), 1);
});

test('G10 bounded delay: the two readings of a hit with tags of the result share storeTimeout', async (t) => {
  const clock = fakeClock();
  const timeouts: (number | undefined)[] = [];
  let slowMs = 0;
  const inner = memory();
  const adapter: Adapter = {
    name: 'slow',
    open: (host) => {
      const backend = inner.open(host);
      const { entries } = backend;
      const read: typeof entries.read = async (...args) => {
        const snapshot = await entries.read(...args);
        await clock.advance(slowMs);
        return snapshot;
      };
      const nonces: typeof entries.nonces = (keys, timeout) => {
        timeouts.push(timeout);
        return entries.nonces(keys, timeout);
      };
      const wrapped = Object.assign(Object.create(entries) as typeof entries, { read, nonces });
      for (const verb of ['lease', 'fill', 'getOrCreateNonces'] as const)
        Object.assign(wrapped, { [verb]: entries[verb].bind(entries) });
      return { ...backend, entries: wrapped };
    },
  };
  const caching = new Caching({ adapter, clock, defaults: { ttl: '1m', storeTimeout: 250 } });
  t.teardown(() => caching.close());
  const options = { tags: () => ['org'] };
  await caching.cache.getOrSet('key', async () => 1, options);
  timeouts.length = 0;
  slowMs = 200;
  t.is(await caching.cache.getOrSet('key', async () => 2, options), 1);
  t.deepEqual(timeouts, [50]);
});
