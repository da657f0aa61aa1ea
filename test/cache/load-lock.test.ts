import test from 'ava';
import { LockNotObtainedError, LockUnavailableError, OptionsError } from '../../src/core/shared/errors.js';
import { entryKey } from '../../src/core/keys/store-keys.js';
import {
  CACHE_DEFAULTS,
  cacheOptions,
  resolveCachePolicy,
  type CacheOptions,
} from '../../src/core/cache/cache-options.js';
import { parseOptions } from '../../src/core/shared/option-schema.js';
import { HeldLoad, Row } from '../support/held-load.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';
import { watch } from '../locks/lock-rig.js';

const LOCK = { stampede: 'lock' } as const;

test("G5 single flight: with stampede: 'lock' one process loads, and all return what it stored", async (t) => {
  const { openers } = rig(t, 2, { defaults: LOCK });
  const [here, there] = openers;
  const held = new HeldLoad(new Row());
  const first = here!.cache.getOrSet('k', held.run);
  await held.entered;
  const second = there!.cache.getOrSet('k', held.run);
  await settled();
  await t.throwsAsync(there!.caching.locks.acquire('cache:k', { wait: 0 }), {
    instanceOf: LockNotObtainedError,
  });
  held.finish();
  t.is(await first, 1);
  t.is(await second, 1);
  t.is(held.runs, 1);
  await settled();
  await t.notThrowsAsync(there!.caching.locks.acquire('cache:k', { wait: 0 }));
});

for (const { stampede, most } of [
  { stampede: 'lease', most: 2 },
  { stampede: 'lock', most: 1 },
] as const) {
  test(`G5 single flight: with stampede: '${stampede}' ${most} load at once when the server of the entries loses a lease`, async (t) => {
    const { namespace, openers, store } = rig(t, 2, { defaults: { stampede } });
    const [here, there] = openers;
    const held = new HeldLoad(new Row());
    const first = here!.cache.getOrSet('k', held.run);
    await held.entered;
    await store.entries.remove([entryKey(namespace, 'k')]);
    const second = there!.cache.getOrSet('k', held.run);
    await settled();
    t.is(held.runs, most);
    held.finish();
    t.is(await first, 1);
    t.is(await second, 1);
  });
}

test('a hit does not acquire the lock', async (t) => {
  const { openers } = rig(t, 1, { defaults: LOCK });
  const { cache, caching } = openers[0]!;
  await cache.getOrSet('k', () => 1);
  await settled();
  await caching.locks.withLease('cache:k', {}, async () => {
    t.is(await cache.getOrSet('k', () => 2), 1);
  });
});

test('a load that fails releases its lock, and the next call loads', async (t) => {
  const { openers } = rig(t, 2, { defaults: LOCK });
  const [here, there] = openers;
  const error = new Error('the loader failed');
  await t.throwsAsync(
    here!.cache.getOrSet('k', () => Promise.reject(error)),
    { is: error },
  );
  t.is(await there!.cache.getOrSet('k', () => 2), 2);
});

test('the lock of a load is extended for as long as the load runs', async (t) => {
  const { clock, openers } = rig(t, 2, { defaults: { ...LOCK, lease: '1s', lockTimeout: '20s' } });
  const [here, there] = openers;
  const held = new HeldLoad(new Row());
  void here!.cache.getOrSet('k', held.run);
  await held.entered;
  const second = watch(there!.cache.getOrSet('k', held.run));
  await clock.advance(10_000);
  t.is(held.runs, 1);
  held.finish();
  await clock.advance(100);
  t.is(second.value, 1);
});

test('a call that does not get the lock within lockTimeout loads without it and publishes an error event', async (t) => {
  const { clock, of, openers } = rig(t, 2, { defaults: { ...LOCK, lockTimeout: '2s' } });
  const [here, there] = openers;
  await here!.caching.locks.acquire('cache:k', { lease: '1h' });
  const call = watch(there!.cache.getOrSet('k', () => 7));
  await clock.advance(1_999);
  t.is(call.state, 'pending');
  await clock.advance(1);
  t.is(call.value, 7);
  t.like(of('error'), [{ operation: 'lock', key: 'k' }]);
  t.true(of('error')[0]!.error instanceof LockNotObtainedError);
  t.is(of('fill').length, 1, 'it is stored: the lease alone decides that');
});

test('the wait for the lock and the wait for the lease share one lockTimeout', async (t) => {
  const { clock, openers } = rig(t, 3, { defaults: { lockTimeout: '2s' } });
  const [locker, leaser, caller] = openers;
  await locker!.caching.locks.acquire('cache:k', { lease: '1h' });
  const held = new HeldLoad(new Row());
  void leaser!.cache.getOrSet('k', held.run);
  await held.entered;
  const call = watch(caller!.cache.getOrSet('k', () => 7, LOCK));
  await clock.advance(2_001);
  t.is(call.value, 7);
  held.finish();
});

test('G10 bounded delay: with unavailable lock servers a load continues with its lease at once and publishes an error event', async (t) => {
  const { openers, of } = rig(t, 1, { defaults: LOCK });
  const { cache, chaos } = openers[0]!;
  chaos.fail('locks.acquire', 'refused');
  t.is(await cache.getOrSet('k', () => 7), 7);
  t.like(of('error'), [{ operation: 'lock', key: 'k' }]);
  t.true(of('error')[0]!.error instanceof LockUnavailableError);
  t.is(await cache.get('k'), 7);
});

test('G10 bounded delay: an attempt for the lock of a load takes at most the storeTimeout of the call', async (t) => {
  const { cache, chaos } = rig(t, 1, { defaults: LOCK }).openers[0]!;
  chaos.fail('locks.acquire', 'refused');
  await cache.getOrSet('k', () => 7, { storeTimeout: 80 });
  t.deepEqual(
    chaos.calls('locks.acquire').map(([, timeout]) => timeout),
    [80],
  );
});

test('G10 bounded delay: the time that slow lock servers take counts towards storeTimeout', async (t) => {
  const { openers, clock } = rig(t, 1, { defaults: LOCK });
  const { cache, chaos } = openers[0]!;
  chaos.delay('locks.acquire', 80);
  chaos.fail('locks.acquire', 'reply lost');
  const call = watch(cache.getOrSet('k', () => 7, { storeTimeout: 80 }));
  await clock.advance(80);
  t.is(chaos.calls('locks.acquire').length, 1);
  t.is(call.value, 7);
  t.is(await cache.get('k'), undefined, 'no store time was left for a lease');
});

test('a lock that cannot be released does not fail the load', async (t) => {
  const { openers, of } = rig(t, 1, { defaults: LOCK });
  const { cache, chaos } = openers[0]!;
  chaos.fail('locks.release', 'request lost');
  t.is(await cache.getOrSet('k', () => 7), 7);
  await settled();
  t.like(of('error'), [{ operation: 'release' }]);
});

test('a lease outside the range of locks is clamped to it', async (t) => {
  const { cache, chaos } = rig(t, 1, { defaults: LOCK }).openers[0]!;
  chaos.fail('locks.acquire', 'refused');
  await cache.getOrSet('a', () => 7, { lease: 5 });
  await cache.getOrSet('b', () => 7, { lease: '2d' });
  t.deepEqual(
    chaos.calls('locks.acquire').map(([{ leaseMs }]) => leaseMs),
    [10, 86_400_000],
  );
});

test("stampede is 'lease' or 'lock'; the default is 'lease'", (t) => {
  const stampedeOf = (options: CacheOptions, defaults = CACHE_DEFAULTS): string =>
    resolveCachePolicy(parseOptions(cacheOptions, { ttl: 1, ...options }, 'getOrSet'), defaults, 'getOrSet')
      .stampede;
  t.is(stampedeOf({}), 'lease');
  t.is(stampedeOf({}, { ...CACHE_DEFAULTS, ...LOCK }), 'lock');
  t.is(stampedeOf({ stampede: 'lease' }, { ...CACHE_DEFAULTS, ...LOCK }), 'lease');
  t.throws(() => stampedeOf({ stampede: 'redlock' as 'lock' }), {
    instanceOf: OptionsError,
    message: "stampede of getOrSet is 'lease' or 'lock', and 'redlock' was given.",
  });
});
