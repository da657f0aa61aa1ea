import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { currentLease } from '../../src/core/locks/current-lease.js';
import {
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  OptionsError,
} from '../../src/core/shared/errors.js';
import type { Lease } from '../../src/core/locks/lease.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { granted, held, scriptedGrant, scriptedRig, unavailable, watch } from './lock-rig.js';
import { settled } from '../support/settled.js';

test("onUnavailable 'run' runs the work unlocked at the first attempt without a quorum and publishes an event", async (t) => {
  const { clock, locks, next, of } = scriptedRig(t);
  next(unavailable('down'));
  const result = await locks.withLease('k', { onUnavailable: 'run' }, (lease) => {
    t.is(currentLease(), lease);
    t.is(lease.fencingToken, undefined);
    t.is(lease.remainingMs, 0);
    t.false(lease.signal.aborted);
    t.throws(() => lease.assertHeld(), { instanceOf: LockLostError, message: /onUnavailable: 'run'/ });
    return 'ran';
  });
  t.is(result, 'ran');
  t.like(of('lockNotAcquired'), [{ reason: 'unavailable' }]);
  t.deepEqual(of('unlock'), []);
  t.is(clock.timers, 0);
});

test("onUnavailable 'run' still waits for a lock that others hold", async (t) => {
  const { clock, locks, next } = scriptedRig(t);
  next(...Array.from({ length: 50 }, () => held()));
  const refused = watch(locks.withLease('k', { onUnavailable: 'run', wait: '1s' }, () => t.fail()));
  await clock.advance(1_000);
  t.true(refused.error instanceof LockNotObtainedError);
});

test('an unlocked run makes no context reentrant', async (t) => {
  const { asked, locks, next } = scriptedRig(t);
  next(unavailable('down'), granted());
  await locks.withLease('k', { onUnavailable: 'run' }, () =>
    locks.withLease('k', { reentrant: true }, (lease) => t.notThrows(() => lease.assertHeld())),
  );
  t.is(asked.length, 2);
});

test('with enabled: false the work runs with a lease and sends no request', async (t) => {
  const adapter = memory();
  const caching = new Caching({ adapter, clock: fakeClock(), enabled: false });
  const other = new Caching({ adapter, clock: fakeClock() });
  t.teardown(() => Promise.all([caching.close(), other.close()]));
  await other.locks.acquire('k');
  const check = (lease: Lease): void => {
    t.deepEqual(lease.keys, ['k']);
    t.is(lease.fencingToken, undefined);
    t.is(lease.remainingMs, Infinity);
    t.notThrows(() => lease.assertHeld());
  };
  await caching.locks.withLease('k', {}, (lease) => {
    check(lease);
    t.is(currentLease(), lease);
  });
  const lease = await caching.locks.acquire('k');
  check(lease);
  await lease.release();
  await caching.engines.locks.runUnlocked(['k'], () => check(currentLease()));
  await t.throwsAsync(caching.locks.acquire('k', { lease: 0 }), { instanceOf: OptionsError });
});

test('close ends every wait, aborts the signal of every lease, and releases it', async (t) => {
  const clock = fakeClock();
  const adapter = memory();
  const [here, there] = [new Caching({ adapter, clock }), new Caching({ adapter, clock })];
  t.teardown(() => there.close());
  const lease = await here.locks.acquire('k');
  const waiting = watch(here.locks.acquire('k'));
  const queued = watch(here.locks.acquire('k'));
  await settled();
  await here.close();
  for (const one of [waiting, queued]) {
    t.true(one.error instanceof LockUnavailableError);
    t.regex((one.error as Error).message, /^The Caching is closed and cannot acquire the lock on 'k'\./);
  }
  t.is((lease.signal.reason as LockLostError).reason, 'closed');
  t.throws(() => lease.assertHeld(), { instanceOf: LockLostError, message: /its Caching was closed/ });
  await t.notThrowsAsync(there.locks.acquire('k', { wait: 0 }));
  await t.throwsAsync(here.locks.acquire('k'), { instanceOf: LockUnavailableError });
  t.is(await here.locks.withLease('k', { onUnavailable: 'run' }, () => 'ran'), 'ran');
});

test('close waits for attempts in progress and releases late grants', async (t) => {
  const { asked, clock, engine, locks } = scriptedRig(t);
  const waiting = watch(locks.acquire('k'));
  await settled();
  const closing = watch(engine.close());
  await settled();
  t.is(waiting.state, 'rejected');
  t.is(closing.state, 'pending');
  const grant = scriptedGrant();
  asked[0]!.reply.resolve(granted(grant));
  await settled();
  t.is(grant.releases, 1);
  t.is(closing.state, 'resolved');
  t.is(clock.timers, 0);
});

test('close waits for a grant that arrives after the abort of its caller', async (t) => {
  const { asked, engine, locks } = scriptedRig(t);
  const controller = new AbortController();
  const waiting = watch(locks.acquire('k', { signal: controller.signal }));
  await settled();
  controller.abort();
  const closing = watch(engine.close());
  await settled();
  t.is(waiting.state, 'rejected');
  t.is(closing.state, 'pending');
  asked[0]!.reply.resolve(held());
  await settled();
  t.is(closing.state, 'resolved');
});
