import { quote } from '../describe.js';
import { LockLostError } from '../errors.js';
import type { Lease } from './lease.js';

/**
 * What a body is given that runs without a lock.
 *
 * @param onPurpose true: locks are switched off for it, so that nothing it asks refuses it. False: the lock could
 * not be had, and `assertHeld()` says so.
 */
export function unheldLease(keys: readonly string[], onPurpose: boolean): Lease {
  const { signal } = new AbortController();
  return {
    keys,
    signal,
    fencingToken: undefined,
    remainingMs: onPurpose ? Infinity : 0,
    assertHeld() {
      if (!onPurpose) throw notHeld(keys);
    },
    async release() {},
    async [Symbol.asyncDispose]() {},
  };
}

/** The same lease for a body within it: it ends with the outer one. */
export function nestedLease(outer: Lease, keys: readonly string[]): Lease {
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
