import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { currentLease } from '../../src/core/locks/current-lease.js';
import {
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  OptionsError,
  StoreUnavailableError,
} from '../../src/core/shared/errors.js';
import type { Lease } from '../../src/core/locks/lease.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { deferred } from '../coherence/deferred.js';
import {
  granted,
  held,
  lockRig,
  scriptedGrant,
  scriptedRig,
  settled,
  unavailable,
  watch,
} from './lock-rig.js';

// --- withLease ------------------------------------------------------------------------------------------------------

test('withLease runs the work alone, and gives the lock back', async (t) => {
  const { clock, openers } = lockRig(t, 2);
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

test('withLease takes work that is not async, and an error of it', async (t) => {
  const { locks } = lockRig(t).openers[0]!;
  t.is(await locks.withLease('k', {}, () => 7), 7);
  const error = new Error('of the body');
  const fail = (): never => {
    throw error;
  };
  await t.throwsAsync(locks.withLease('k', {}, fail), { is: error });
  t.is(await locks.withLease('k', { wait: 0 }, () => 8), 8);
});

test('row h: the result of the work reaches the caller when the lock cannot be given back', async (t) => {
  const { locks, next, of } = scriptedRig(t);
  const grant = scriptedGrant();
  grant.failRelease(new StoreUnavailableError('no majority', 'unknown'));
  next(granted(grant));
  t.is(await locks.withLease('k', {}, () => 'result'), 'result');
  t.is(of('error').length, 1);
});

test('row h: the error of the work reaches the caller when the lock cannot be given back', async (t) => {
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

test('row h: the result reaches the caller when the lease was lost meanwhile; signal and event tell of it', async (t) => {
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

test('events tell who waited for a lock, who got it and how long it was held', async (t) => {
  const { clock, openers, of, namespace } = lockRig(t);
  const { engine } = openers[0]!;
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

test('the fencing token grows with every lease of a key', async (t) => {
  const { openers } = lockRig(t, 2);
  let last = 0n;
  for (let i = 0; i < 50; i++) {
    await openers[i % 2]!.locks.withLease('k', {}, ({ fencingToken }) => {
      t.true(fencingToken! > last);
      last = fencingToken!;
    });
  }
});

test('a lease ends with the scope that declared it', async (t) => {
  const { locks } = lockRig(t).openers[0]!;
  let lease: Lease;
  {
    await using own = await locks.acquire('k');
    lease = own;
    t.notThrows(() => lease.assertHeld());
  }
  t.throws(() => lease.assertHeld(), { instanceOf: LockLostError });
  await t.notThrowsAsync(locks.acquire('k', { wait: 0 }));
});

// --- currentLease -----------------------------------------------------------------------------------------------------

test('currentLease is the innermost lease of the async context', async (t) => {
  const { locks } = lockRig(t).openers[0]!;
  await locks.withLease('outer', {}, async (outer) => {
    t.is(currentLease(), outer);
    await locks.withLease('inner', {}, async (inner) => {
      await settled();
      t.is(currentLease(), inner);
    });
    t.is(currentLease(), outer);
  });
});

test('currentLease outside of a lease says what to do', async (t) => {
  const error = t.throws(() => currentLease(), { instanceOf: OptionsError });
  t.regex(error!.message, /outside a lease\. Call it within a method with @Locked/);
  const { locks } = lockRig(t).openers[0]!;
  await locks.acquire('k');
  t.throws(() => currentLease(), { instanceOf: OptionsError });
});

test('calls side by side have each their own current lease', async (t) => {
  const { locks } = lockRig(t).openers[0]!;
  await Promise.all(
    ['a', 'b', 'c'].map((key) =>
      locks.withLease(key, {}, async () => {
        await settled();
        t.deepEqual(currentLease().keys, [key]);
      }),
    ),
  );
});

// --- re-entrance --------------------------------------------------------------------------------------------------------

test('a reentrant call runs within the lease that its context holds', async (t) => {
  const { openers, of } = lockRig(t);
  const { asked, locks } = openers[0]!;
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
  t.is(asked.length, 1);
  t.is(of('unlock').length, 1);
});

test('a call that is not reentrant waits for its own context in vain, and the error says what to do', async (t) => {
  const { locks } = lockRig(t).openers[0]!;
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

test('a reentrant call takes the lock itself when its context holds less than it asks for', async (t) => {
  const { openers } = lockRig(t, 2);
  const [here, there] = openers;
  const options = { reentrant: true, wait: 0 } as const;
  await here!.locks.withLease('a', {}, async () => {
    await t.throwsAsync(
      here!.locks.withLease({ keys: ['a', 'b'] }, options, () => {}),
      { instanceOf: LockNotObtainedError },
    );
    await here!.locks.withLease('b', options, (lease) => t.deepEqual(lease.keys, ['b']));
    // Another Caching's lease is another lock, whatever its name.
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

test('what a body leaves running takes the lock itself once the lease was given back', async (t) => {
  const { openers } = lockRig(t);
  const { asked, locks } = openers[0]!;
  const gate = deferred();
  let late!: Promise<unknown>;
  await locks.withLease('k', {}, () => {
    late = gate.promise.then(() => locks.withLease('k', { reentrant: true }, () => {}));
  });
  t.is(asked.length, 1);
  gate.resolve();
  await late;
  t.is(asked.length, 2);
});

test('a reentrant call does not run within a lease that was lost', async (t) => {
  const { asked, clock, locks, next } = scriptedRig(t);
  next(granted());
  await locks.withLease('k', { lease: '1s', renew: 0 }, async () => {
    await clock.advance(1_000);
    next(granted());
    await locks.withLease('k', { reentrant: true }, () => {});
  });
  t.is(asked.length, 2);
});

// --- without a lock -----------------------------------------------------------------------------------------------------

test("onUnavailable 'run' runs the work unlocked at the first answer of too few servers, and says so", async (t) => {
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

test("onUnavailable 'run' still waits for a lock that others hold, and does not run without it", async (t) => {
  const { clock, locks, next } = scriptedRig(t);
  next(...Array.from({ length: 50 }, () => held()));
  const refused = watch(locks.withLease('k', { onUnavailable: 'run', wait: '1s' }, () => t.fail()));
  await clock.advance(1_000);
  t.true(refused.error instanceof LockNotObtainedError);
});

test('an unlocked lease makes no context reentrant', async (t) => {
  const { asked, locks, next } = scriptedRig(t);
  next(unavailable('down'), granted());
  await locks.withLease('k', { onUnavailable: 'run' }, () =>
    locks.withLease('k', { reentrant: true }, (lease) => t.notThrows(() => lease.assertHeld())),
  );
  t.is(asked.length, 2);
});

test('a Caching that is not enabled runs the work as if it held the lock, and asks nobody', async (t) => {
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

// --- close ----------------------------------------------------------------------------------------------------------

test('close ends every wait, tells whoever works under a lease, and gives it back', async (t) => {
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

test('close waits for what is under way, and gives back what is still granted', async (t) => {
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

test('close waits for a grant that comes after its caller’s abort', async (t) => {
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

test('the defaults of a Caching are checked before anything is opened', (t) => {
  const adapter = { ...memory(), open: () => t.fail() };
  t.throws(() => new Caching({ adapter: adapter as never, locks: { lease: 0 } }), {
    instanceOf: OptionsError,
    message: /^lease of new Caching\(\{ locks \}\) is a duration/,
  });
});
