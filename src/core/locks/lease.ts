import { quote } from '../shared/describe.js';
import { LockLostError } from '../shared/errors.js';

/**
 * A held lock, for as long as it can be proven.
 *
 * A body that runs without a lock gets a lease as well, with no fencing token and a signal that never aborts. If that
 * was decided beforehand (`enabled: false`, `when` of `@Locked`), `assertHeld()` passes and `remainingMs` is Infinity.
 * If too few servers answered (`onUnavailable: 'run'`), `assertHeld()` throws and `remainingMs` is 0.
 */
export interface Lease extends AsyncDisposable {
  /** The logical keys. */
  readonly keys: readonly string[];
  /**
   * Aborts with a LockLostError when the lease is lost: by a local timer at its end, whether Redis answers or not. After
   * code that blocks the event loop ask `assertHeld()`: no timer could run. After `release()` it does not abort any more.
   */
  readonly signal: AbortSignal;
  /**
   * Grows with every lease of the same key: pass it to the resource, and let the resource refuse smaller ones. Undefined
   * with several lock servers, with a read lock or more than one permit, and in a body that runs without a lock.
   */
  readonly fencingToken: bigint | undefined;
  /** For how many ms the lease is valid without a renewal, by the monotonic clock; 0 or more. */
  readonly remainingMs: number;
  /** @throws LockLostError if the lease cannot be proven at this moment, or is released */
  assertHeld(): void;
  /** Releases the lock. Never throws: a lock that cannot be released ends with its lease. */
  release(): Promise<void>;
}

/**
 * For a body that runs without a lock.
 *
 * @param intended true: locks are switched off for it, and `assertHeld()` passes. False: the lock was not available, and
 * `assertHeld()` throws.
 */
export function noopLease(keys: readonly string[], { intended }: { readonly intended: boolean }): Lease {
  const { signal } = new AbortController();
  return {
    keys,
    signal,
    fencingToken: undefined,
    remainingMs: intended ? Infinity : 0,
    assertHeld() {
      if (!intended) throw notHeld(keys);
    },
    async release() {},
    async [Symbol.asyncDispose]() {},
  };
}

/** For a body that runs within the lease of its caller: it ends with the outer one. */
export function reentrantLease(outer: Lease, keys: readonly string[]): Lease {
  return {
    keys,
    get signal() {
      return outer.signal;
    },
    fencingToken: outer.fencingToken,
    get remainingMs() {
      return outer.remainingMs;
    },
    assertHeld: () => outer.assertHeld(),
    async release() {},
    async [Symbol.asyncDispose]() {},
  };
}

function notHeld(keys: readonly string[]): LockLostError {
  return new LockLostError(
    `The lock on ${keys.map(quote).join(', ')} is not held: too few servers answered, and the body runs without it ` +
      "(onUnavailable: 'run'). For work that must not run unlocked leave that option out.",
    keys,
    'expired',
  );
}
