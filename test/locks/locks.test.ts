import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { LockLostError, OptionsError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Lease } from '../../src/core/locks/lease.js';
import { deferred } from '../support/deferred.js';
import { granted, scriptedGrant, scriptedRig, watch } from './lock-rig.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

test('G8 locks: withLease runs the work alone and releases the lock', async (t) => {
  const { clock, openers } = rig(t, 2);
  let inside = 0;
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      openers[i % 2]!.locks.withLease('k', {}, async (lease) => {
        t.is(++inside, 1);
        lease.assertHeld();
        await settled();
        inside--;
        return i;
      }),
    ),
  );
  t.deepEqual(
    results,
    Array.from({ length: 20 }, (_, i) => i),
  );
  t.is(clock.timers, 0);
});

test('withLease accepts synchronous work and its error', async (t) => {
  const { locks } = rig(t).openers[0]!;
  t.is(await locks.withLease('k', {}, () => 7), 7);
  const error = new Error('of the body');
  const fail = (): never => {
    throw error;
  };
  await t.throwsAsync(locks.withLease('k', {}, fail), { is: error });
  t.is(await locks.withLease('k', { wait: 0 }, () => 8), 8);
});

test('row h: the result of the work reaches the caller if the release fails', async (t) => {
  const { locks, next, of } = scriptedRig(t);
  const grant = scriptedGrant();
  grant.failRelease(new StoreUnavailableError('no majority', 'unknown'));
  next(granted(grant));
  t.is(await locks.withLease('k', {}, () => 'result'), 'result');
  t.is(of('error').length, 1);
});

test('row h: the error of the work reaches the caller if the release fails', async (t) => {
  const { locks, next } = scriptedRig(t);
  const grant = scriptedGrant();
  grant.failRelease(new StoreUnavailableError('no majority', 'unknown'));
  next(granted(grant));
  const error = new Error('of the body');
  await t.throwsAsync(
    locks.withLease('k', {}, () => Promise.reject(error)),
    { is: error },
  );
});

test('row h, E-K3: the result reaches the caller if the lease was lost; signal and event report the loss', async (t) => {
  const { clock, locks, next, of } = scriptedRig(t);
  next(granted());
  const gate = deferred();
  let lease!: Lease;
  const call = watch(
    locks.withLease('k', { lease: '1s', renew: 0 }, async (given) => {
      lease = given;
      await gate.promise;
      return 'result';
    }),
  );
  await clock.advance(2_000);
  t.is((lease.signal.reason as LockLostError).reason, 'expired');
  gate.resolve();
  await settled();
  t.is(call.value, 'result');
  t.like(of('lockLost'), [{ keys: ['k'], reason: 'expired', method: undefined }]);
  t.like(of('unlock'), [{ lost: true }]);
});

test('events state who waited for a lock, who acquired it and for how long', async (t) => {
  const { clock, openers, of, namespace } = rig(t);
  const engine = openers[0]!.caching.engines.locks;
  const gate = deferred();
  const callOf = (method: string) => engine.call(['k'], engine.policy({}, method), () => method, method);
  const first = engine.run(callOf('Invoices.settle'), () => gate.promise);
  const second = engine.run(callOf('Invoices.cancel'), () => {});
  await clock.advance(100);
  gate.resolve();
  await Promise.all([first, second]);
  t.deepEqual(of('lock'), [
    { namespace, method: 'Invoices.settle', keys: ['k'], waitedMs: 0 },
    { namespace, method: 'Invoices.cancel', keys: ['k'], waitedMs: 100 },
  ]);
  t.deepEqual(of('unlock'), [
    { namespace, method: 'Invoices.settle', keys: ['k'], heldMs: 100, lost: false },
    { namespace, method: 'Invoices.cancel', keys: ['k'], heldMs: 0, lost: false },
  ]);
});

test('G8 locks: the fencing token grows with every lease of a key', async (t) => {
  const { openers } = rig(t, 2);
  let last = 0n;
  for (let i = 0; i < 50; i++) {
    await openers[i % 2]!.locks.withLease('k', {}, ({ fencingToken }) => {
      t.true(fencingToken! > last);
      last = fencingToken!;
    });
  }
});

test('a lease is released at the end of its scope (await using)', async (t) => {
  const { locks } = rig(t).openers[0]!;
  let lease: Lease;
  {
    await using own = await locks.acquire('k');
    lease = own;
    t.notThrows(() => lease.assertHeld());
  }
  t.throws(() => lease.assertHeld(), { instanceOf: LockLostError });
  await t.notThrowsAsync(locks.acquire('k', { wait: 0 }));
});

test('the defaults of a Caching are validated before anything is opened', (t) => {
  const adapter = { ...memory(), open: () => t.fail() };
  t.throws(() => new Caching({ adapter: adapter as never, locks: { lease: 0 } }), {
    instanceOf: OptionsError,
    message: /^lease of new Caching\(\{ locks \}\) is a duration/,
  });
});
