import test from 'ava';
import { currentLease } from '../../src/core/locks/current-lease.js';
import { LockNotObtainedError, OptionsError } from '../../src/core/shared/errors.js';
import { deferred } from '../support/deferred.js';
import { granted, scriptedRig } from './lock-rig.js';
import { rig } from '../support/rig.js';
import { settled } from '../support/settled.js';

test('currentLease returns the innermost lease of the async context', async (t) => {
  const { locks } = rig(t).openers[0]!;
  await locks.withLease('outer', {}, async (outer) => {
    t.is(currentLease(), outer);
    await locks.withLease('inner', {}, async (inner) => {
      await settled();
      t.is(currentLease(), inner);
    });
    t.is(currentLease(), outer);
  });
});

test('currentLease outside of a lease throws with advice', async (t) => {
  const error = t.throws(() => currentLease(), { instanceOf: OptionsError });
  t.regex(error!.message, /outside a lease\. Call it within a method with @Locked/);
  const { locks } = rig(t).openers[0]!;
  await locks.acquire('k');
  t.throws(() => currentLease(), { instanceOf: OptionsError });
});

test('concurrent calls have their own current lease', async (t) => {
  const { locks } = rig(t).openers[0]!;
  await Promise.all(
    ['a', 'b', 'c'].map((key) =>
      locks.withLease(key, {}, async () => {
        await settled();
        t.deepEqual(currentLease().keys, [key]);
      }),
    ),
  );
});

test('a reentrant call runs within the lease of its context', async (t) => {
  const { openers, of } = rig(t);
  const { chaos, locks } = openers[0]!;
  await locks.withLease({ keys: ['a', 'b'] }, {}, async (outer) => {
    const inner = await locks.withLease('b', { reentrant: true }, async (lease) => {
      t.deepEqual(lease.keys, ['b']);
      t.is(lease.fencingToken, outer.fencingToken);
      t.is(lease.signal, outer.signal);
      t.is(lease.remainingMs, outer.remainingMs);
      t.notThrows(() => lease.assertHeld());
      await lease.release();
      await lease[Symbol.asyncDispose]();
      t.is(currentLease(), lease);
      return 'inner';
    });
    t.is(inner, 'inner');
    t.notThrows(() => outer.assertHeld());
    await locks.withLease(['b'], { reentrant: true }, () =>
      locks.withLease('a', { reentrant: true, mode: 'shared' }, () => {}),
    );
  });
  t.is(chaos.calls('locks.acquire').length, 1);
  t.is(of('unlock').length, 1);
});

test('a call that is not reentrant deadlocks with its own context until the wait ends, and the error has advice', async (t) => {
  const { locks } = rig(t).openers[0]!;
  await locks.withLease('k', {}, async () => {
    await t.throwsAsync(
      locks.withLease('k', { wait: 0 }, () => {}),
      {
        instanceOf: LockNotObtainedError,
        message: /^The caller itself holds the lock on 'k'.*`reentrant: true`/,
      },
    );
  });
});

test('a reentrant call acquires the lock if its context holds less than it needs', async (t) => {
  const { openers } = rig(t, 2);
  const [here, there] = openers;
  const options = { reentrant: true, wait: 0 } as const;
  await here!.locks.withLease('a', {}, async () => {
    await t.throwsAsync(
      here!.locks.withLease({ keys: ['a', 'b'] }, options, () => {}),
      { instanceOf: LockNotObtainedError },
    );
    await here!.locks.withLease('b', options, (lease) => t.deepEqual(lease.keys, ['b']));
    // A lease of another `Caching` does not count, even if the name is the same.
    await t.throwsAsync(
      there!.locks.withLease('a', options, () => {}),
      { instanceOf: LockNotObtainedError },
    );
  });
  await here!.locks.withLease('s', { mode: 'shared' }, async () => {
    await t.throwsAsync(
      here!.locks.withLease('s', options, () => {}),
      { instanceOf: LockNotObtainedError },
    );
  });
});

test('work that outlives its lease acquires the lock on its own', async (t) => {
  const { openers } = rig(t);
  const { chaos, locks } = openers[0]!;
  const gate = deferred();
  let late!: Promise<unknown>;
  await locks.withLease('k', {}, () => {
    late = gate.promise.then(() => locks.withLease('k', { reentrant: true }, () => {}));
  });
  t.is(chaos.calls('locks.acquire').length, 1);
  gate.resolve();
  await late;
  t.is(chaos.calls('locks.acquire').length, 2);
});

test('a reentrant call does not run within a lost lease', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(granted());
  await locks.withLease('k', { lease: '1s', renew: 0 }, async () => {
    await clock.advance(1_000);
    next(granted());
    await locks.withLease('k', { reentrant: true }, () => {});
  });
  t.is(asked.length, 2);
});
