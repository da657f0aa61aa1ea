import { quote } from '../shared/describe.js';
import { LockLostError } from '../shared/errors.js';

/**
 * A held lock.
 *
 * A body that runs without a lock also gets a lease, without a fencing token and with a signal that never aborts. If the
 * lock was switched off (`enabled: false`, `when` of `@Locked`), `assertHeld()` passes and `remainingMs` is Infinity. If too
 * few servers answered (`onUnavailable: 'run'`), `assertHeld()` throws and `remainingMs` is 0.
 *
 * @see G8 in docs/coherence.md
 */
export interface Lease extends AsyncDisposable {
  /** The logical keys. */
  readonly keys: readonly string[];
  /**
   * Aborts with a LockLostError when the lease is lost: at its end at the latest, by a local timer, whether Redis answers or
   * not. Timers do not run while the event loop is blocked: call `assertHeld()` after blocking code. The signal does not
   * abort after `release()`.
   */
  readonly signal: AbortSignal;
  /**
   * A number that grows with every lease of the same key. Pass it to the resource, and let the resource reject smaller ones.
   * Undefined with several lock servers, for a shared lock or more than one permit, and for a body without a lock.
   */
  readonly fencingToken: bigint | undefined;
  /** How long the lease is valid without another renewal, in ms by the monotonic clock; 0 or more. */
  readonly remainingMs: number;
  /** @throws LockLostError if the lease is not valid any more, or has been released */
  assertHeld(): void;
  /** Releases the lock. Idempotent. Never rejects: if the store does not answer, the lock expires with its lease. */
  release(): Promise<void>;
}

/**
 * The lease of a body that runs without a lock.
 *
 * @param intended true if the lock was switched off: `assertHeld()` passes. False if the lock was not available:
 * `assertHeld()` throws
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

/** The lease of a body that runs within the lease of its caller. Releasing it has no effect; it ends with the outer one. */
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
      "(onUnavailable: 'run'). Remove that option if the work must not run without the lock.",
    keys,
    'expired',
  );
}
