/**
 * A held lock, for as long as it can be proven.
 *
 * A body that runs without one is given a lease all the same, with no fencing token and a signal that never aborts.
 * If that was decided beforehand (`enabled: false`, `when` of `@Locked`), its `assertHeld()` lets it go on and
 * `remainingMs` is Infinity; if it is for want of servers (`onUnavailable: 'run'`), `assertHeld()` throws and
 * `remainingMs` is 0.
 */
export interface Lease extends AsyncDisposable {
  /** The logical keys. */
  readonly keys: readonly string[];
  /**
   * Aborts with a LockLostError when the lease is lost: at its end by a local timer, whether Redis answers or not.
   * After code that blocked the event loop ask `assertHeld()`: no timer could run. After `release()` it does not
   * abort any more.
   */
  readonly signal: AbortSignal;
  /**
   * Grows with every lease of the same key: give it to the resource, and let that refuse smaller ones. Undefined
   * where there is none: several lock servers, a read lock or more than one permit, a body that runs unlocked.
   */
  readonly fencingToken: bigint | undefined;
  /** Ms for which the lease is still good without a renewal, 0 or more. By the monotonic clock. */
  readonly remainingMs: number;
  /** @throws LockLostError if the lease cannot be proven at this moment, or was given back */
  assertHeld(): void;
  /** Gives the lock back. Best effort: never throws, and a lock that could not be given back ends with its lease. */
  release(): Promise<void>;
}
