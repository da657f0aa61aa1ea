import type { ExecutionContext, TestFn } from 'ava';
import type { Caching } from '../../src/core/caching.js';
import { currentLease } from '../../src/core/locks/current-lease.js';
import {
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  OptionsError,
} from '../../src/core/shared/errors.js';
import type { AcquireOptions } from '../../src/core/locks/lock-options.js';

export interface OpenForLocks {
  /** All on one store. */
  readonly cachings: readonly Caching[];
  /** Lets time pass until the promise settles, which takes a few seconds at most. */
  settle<T>(promise: Promise<T>): Promise<T>;
}

/** The contract of `Caching.locks`, for every adapter. */
export function locksContract(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext, count: number) => Promise<OpenForLocks>,
  { single }: { readonly single: boolean },
): void {
  interface Given {
    readonly caching: Caching;
    readonly locks: Caching['locks'];
    /** Another `Caching` on the same store. */
    readonly other: Caching['locks'];
    readonly both: readonly Caching[];
    readonly settle: OpenForLocks['settle'];
  }
  const it = (title: string, run: (t: ExecutionContext, given: Given) => Promise<void>): void => {
    test.serial(`${name}: ${title}`, async (t) => {
      const { cachings: both, settle } = await open(t, 2);
      const [caching, other] = both;
      await run(t, { caching: caching!, locks: caching!.locks, other: other!.locks, both, settle });
    });
  };
  /** Tries once, and releases the lock if it was free. */
  const isFree = async (
    locks: Caching['locks'],
    key: string,
    options: AcquireOptions = {},
  ): Promise<boolean> => {
    try {
      await (await locks.acquire(key, { ...options, wait: 0 })).release();
      return true;
    } catch (error) {
      if (error instanceof LockNotObtainedError) return false;
      throw error;
    }
  };

  it('G8 locks: one body at a time runs under a lock, across processes', async (t, { both, settle }) => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      currentLease().assertHeld();
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    const calls = Array.from({ length: 40 }, (_, i) =>
      both[i % 2]!.locks.withLease('k', { wait: '20s' }, work),
    );
    await settle(Promise.all(calls));
    t.is(most, 1);
  });

  it('withLease returns the result or the error of the work and releases the lock', async (t, {
    locks,
    other,
  }) => {
    t.is(await locks.withLease(['invoice', 42], {}, () => 7), 7);
    t.true(await isFree(other, 'invoice:42'));
    const error = new Error('of the body');
    await t.throwsAsync(
      locks.withLease('k', {}, () => Promise.reject(error)),
      { is: error },
    );
    t.true(await isFree(other, 'k'));
  });

  it('G10 bounded delay: a lock that others hold for the whole wait is not obtained', async (t, {
    locks,
    other,
    settle,
  }) => {
    const lease = await locks.acquire('k');
    await t.throwsAsync(other.acquire('k', { wait: 0 }), { instanceOf: LockNotObtainedError });
    await t.throwsAsync(settle(other.acquire('k', { wait: 300 })), { instanceOf: LockNotObtainedError });
    await lease.release();
    t.true(await isFree(other, 'k'));
  });

  it('a waiting caller acquires the lock when it is released', async (t, { locks, other, settle }) => {
    const lease = await locks.acquire('k');
    const next = other.acquire('k', { wait: '20s' });
    await lease.release();
    const second = await settle(next);
    t.notThrows(() => second.assertHeld());
    t.throws(() => lease.assertHeld(), { instanceOf: LockLostError });
  });

  it('G8 locks: a lease without renewal ends, and its signal aborts', async (t, { locks, other, settle }) => {
    const dead = await locks.acquire('k', { lease: 300, renew: 0 });
    const next = await settle(other.acquire('k', { wait: '20s' }));
    t.notThrows(() => next.assertHeld());
    t.throws(() => dead.assertHeld(), { instanceOf: LockLostError });
    t.true(dead.signal.aborted);
    await dead.release();
    t.false(await isFree(locks, 'k'), 'what is another’s now is not given back');
  });

  it('a lease is renewed while it is held', async (t, { locks, other, settle }) => {
    // The lease is long enough for a busy machine, and the wait is longer than the lease.
    const lease = await locks.acquire('k', { lease: '1s' });
    await t.throwsAsync(settle(other.acquire('k', { wait: 1_500 })), { instanceOf: LockNotObtainedError });
    t.notThrows(() => lease.assertHeld());
  });

  it('several keys are acquired together or not at all, in any order', async (t, {
    locks,
    other,
    both,
    settle,
  }) => {
    const one = await locks.acquire('b');
    await t.throwsAsync(other.acquire({ keys: ['a', 'b', 'c'] }, { wait: 0 }), {
      instanceOf: LockNotObtainedError,
    });
    t.true(await isFree(locks, 'a'));
    t.true(await isFree(locks, 'c'));
    await one.release();
    let inside = 0;
    const work = async (): Promise<void> => {
      t.is(++inside, 1);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    const calls = Array.from({ length: 20 }, (_, i) =>
      both[i % 2]!.locks.withLease({ keys: i % 3 === 0 ? ['a', 'b'] : ['b', 'a'] }, { wait: '20s' }, work),
    );
    await settle(Promise.all(calls));
  });

  it('read-write lock: shared locks are held together, an exclusive one alone', async (t, {
    locks,
    other,
    settle,
  }) => {
    const one = await locks.acquire('k', { mode: 'shared' });
    const two = await other.acquire('k', { mode: 'shared', wait: 0 });
    t.is(one.fencingToken, undefined);
    t.false(await isFree(locks, 'k'));
    const writer = locks.acquire('k', { wait: '20s' });
    await Promise.all([one.release(), two.release()]);
    await settle(writer);
    t.false(await isFree(other, 'k', { mode: 'shared' }));
  });

  it('an abort ends the wait with the reason of the signal', async (t, { locks, other, settle }) => {
    await locks.acquire('k');
    const controller = new AbortController();
    const waiting = other.acquire('k', { signal: controller.signal, wait: '20s' });
    const reason = new Error('the request is gone');
    controller.abort(reason);
    await t.throwsAsync(settle(waiting), { is: reason });
  });

  it('a reentrant call runs within the lease of its context', async (t, { locks }) => {
    const keys = await locks.withLease({ keys: ['a', 'b'] }, {}, () =>
      locks.withLease('a', { reentrant: true, wait: 0 }, (lease) => lease.keys),
    );
    t.deepEqual(keys, ['a']);
  });

  it('close releases all leases, and acquires nothing more', async (t, { caching, locks, other, settle }) => {
    const lease = await locks.acquire('k');
    await caching.close();
    t.is((lease.signal.reason as LockLostError).reason, 'closed');
    await settle(other.acquire('k', { wait: '20s' }));
    await t.throwsAsync(locks.acquire('l'), { instanceOf: LockUnavailableError });
  });

  it("G5 single flight: with stampede: 'lock' a cold key is loaded once across processes", async (t, {
    both,
    settle,
  }) => {
    let loads = 0;
    const load = async (): Promise<number> => {
      await new Promise((resolve) => setImmediate(resolve));
      return ++loads;
    };
    const options = {
      ttl: '1m',
      stampede: 'lock',
      lockTimeout: '20s',
      loadTimeout: '20s',
      storeTimeout: '20s',
    } as const;
    const calls = Array.from({ length: 20 }, (_, i) => both[i % 2]!.cache.getOrSet('k', load, options));
    t.deepEqual(new Set(await settle(Promise.all(calls))), new Set([1]));
    t.is(loads, 1);
  });

  if (!single) {
    it('with several lock servers there are no fencing tokens, no fair locks and no permits (semaphore)', async (t, {
      locks,
    }) => {
      t.is((await locks.acquire('k')).fencingToken, undefined);
      await t.throwsAsync(locks.acquire('l', { fair: true }), { instanceOf: OptionsError });
      await t.throwsAsync(locks.acquire('l', { permits: 2 }), { instanceOf: OptionsError });
    });
    return;
  }

  it('G8 locks: the fencing token grows with every lease', async (t, { both }) => {
    let last = 0n;
    for (let i = 0; i < 10; i++) {
      await both[i % 2]!.locks.withLease('k', {}, ({ fencingToken }) => {
        t.true(fencingToken! > last, `${fencingToken} after ${last}`);
        last = fencingToken!;
      });
    }
  });

  it('semaphore: as many callers hold a lock as it has permits', async (t, { both, settle }) => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
    };
    const options = { permits: 3, wait: '20s' } as const;
    await settle(
      Promise.all(Array.from({ length: 30 }, (_, i) => both[i % 2]!.locks.withLease('k', options, work))),
    );
    t.true(most >= 2 && most <= 3, `${most} at once`);
  });

  it('fair lock: acquired in the order of the calls, across processes', async (t, { both, settle }) => {
    const first = await both[0]!.locks.acquire('k', { fair: true });
    const order: number[] = [];
    const calls: Promise<void>[] = [];
    for (let i = 0; i < 8; i++) {
      const { locks } = both[i % 2]!;
      calls.push(locks.withLease('k', { fair: true, wait: '20s' }, () => void order.push(i)));
      // Wait until the call is queued: a later request on the same connection runs after it.
      t.false(await isFree(locks, 'k'));
    }
    await first.release();
    await settle(Promise.all(calls));
    t.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
  });
}
