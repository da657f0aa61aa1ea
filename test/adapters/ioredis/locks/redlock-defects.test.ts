import test from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { lockKey } from '../../../../src/core/keys/store-keys.js';
import { LockLostError, LockUnavailableError, OptionsError } from '../../../../src/index.js';
import { eventually } from '../../../support/eventually.js';
import { lockFleetForFile } from './lock-fleet.js';

/**
 * What was measured to break in redlock, and must not break here. The letters are those of benchmarks/lock-rows.js,
 * which shows both side by side.
 */
const fleet = lockFleetForFile(test, 3);

test.serial('row a, E-K1: an even number of lock servers is refused, and a split quorum ends', async (t) => {
  const { servers, target, open } = fleet();
  const urls = servers.map(({ proxy }) => proxy.url);
  const error = t.throws(() => ioredis(target.url, { lockServers: urls.slice(0, 2) }), {
    instanceOf: OptionsError,
  });
  t.regex(error.message, /odd number/);

  const { caching, namespace, standing } = await open(t, { timeout: '2s' });
  await servers[0]!.admin.set(lockKey(namespace, 'k'), 'of another', 'PX', 60_000);
  await servers[1]!.server.kill();
  const split = await t.throwsAsync(caching.locks.acquire('k', { wait: 0 }), {
    instanceOf: LockUnavailableError,
  });
  t.deepEqual(
    split.servers.map(({ answer }) => (answer instanceof Error ? 'failed' : answer)),
    ['held', 'failed', 'granted'],
  );
  await eventually('the attempt is released', async () => (await standing('k')) === 1);
});

test.serial('row b: a lock that is acquired after a long wait has its whole lease', async (t) => {
  const { servers, open } = fleet();
  const { caching, namespace } = await open(t, { timeout: '2s' });
  for (const { admin } of servers) await admin.set(lockKey(namespace, 'k'), 'of another', 'PX', 1_500);
  const begun = performance.now();
  const lease = await caching.locks.acquire('k', { lease: '1s', wait: '20s', renew: 0 });
  t.true(performance.now() - begun > 1_000, 'longer than the lease');
  // It counts from the attempt that won. An attempt that was too slow would have been refused.
  t.true(lease.remainingMs > 0 && lease.remainingMs <= 1_000, `${lease.remainingMs} ms`);
  t.false(lease.signal.aborted);
  await lease.release();
});

test.serial(
  'G8 locks: row c, E-K2: a grant after the end of its lease is refused and released',
  async (t) => {
    const { servers, open } = fleet();
    const { caching, standing } = await open(t, { timeout: '10s', locks: { renew: 0 } });
    for (const { proxy } of servers) proxy.latency(800);
    const error = await t.throwsAsync(caching.locks.acquire('k', { lease: '500ms', wait: 0 }), {
      instanceOf: LockUnavailableError,
    });
    t.is(error.code, 'E_LOCK_UNAVAILABLE');
    await eventually('nothing stands there', async () => (await standing('k')) === 0);
  },
);

test.serial('G8 locks: row d, E-K3: a lock whose keys vanish is lost at the next renewal', async (t) => {
  const { servers, open } = fleet();
  const { caching } = await open(t, { timeout: '2s' });
  const lost = caching.locks.withLease('k', { lease: '3s' }, async ({ signal, assertHeld }) => {
    await Promise.all(servers.map(({ admin }) => admin.flushall()));
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    t.true(signal.reason instanceof LockLostError);
    t.is((signal.reason as LockLostError).reason, 'taken');
    t.truthy(assertHeld);
    return 'the result';
  });
  t.is(await lost, 'the result', 'the body’s own affair');
});

test.serial('G8 locks: row e: without any reply the signal aborts at the end of the lease', async (t) => {
  const { servers, open } = fleet();
  const { caching } = await open(t);
  let lost: unknown;
  await caching.locks.withLease('k', { lease: '1s', wait: '20s' }, async ({ signal }) => {
    for (const { proxy } of servers) proxy.timeout();
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    lost = signal.reason;
  });
  // Nothing has come from any server since: neither the end of the lease nor the release waited for one.
  t.is((lost as LockLostError).reason, 'expired');
  t.true(lost instanceof LockLostError);
});

test.serial('row f: earlier attempts of a caller do not block it', async (t) => {
  const { servers, open } = fleet();
  const { caching, namespace } = await open(t, { timeout: '2s' });
  await servers[0]!.server.kill();
  await servers[1]!.admin.set(lockKey(namespace, 'k'), 'of another', 'PX', 300);
  const lease = await caching.locks.acquire('k', { lease: '30s', wait: '20s' });
  t.false(lease.signal.aborted);
  await lease.release();
});

test.serial('G8 locks: row g: after a blocked event loop the lease is lost at once', async (t) => {
  const { open } = fleet();
  const { caching } = await open(t, { timeout: '2s' });
  const lease = await caching.locks.acquire('k', { lease: '500ms', wait: '20s' });
  const end = performance.now() + 700;
  while (performance.now() < end);
  t.throws(() => lease.assertHeld(), { instanceOf: LockLostError });
  t.true(lease.signal.aborted);
  t.is(lease.remainingMs, 0);
  await lease.release();
});

test.serial('row h: the result or error of the body reaches the caller if the release fails', async (t) => {
  const { servers, open } = fleet();
  const { caching } = await open(t, { timeout: '2s' });
  const isolate = async (): Promise<void> => {
    for (const { proxy } of servers) proxy.down();
    await delay(0);
  };
  t.is(
    await caching.locks.withLease('k', { lease: '2s' }, async () => {
      await isolate();
      return 'the result';
    }),
    'the result',
  );
  for (const { proxy } of servers) await proxy.heal();
  const error = new Error('of the body');
  const thrown = await t.throwsAsync(
    caching.locks.withLease('k', { lease: '2s', wait: '20s' }, async () => {
      await isolate();
      throw error;
    }),
  );
  t.is(thrown, error);
});
