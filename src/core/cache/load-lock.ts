import type { CacheCall } from './cache-call.js';
import { LockNotObtainedError, LockUnavailableError } from '../shared/errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventPublisher, MethodLabel } from '../shared/event-publisher.js';

/** Acquires locks for loads. Implemented by the lock engine; the cache does not import it. */
export interface LoadLocks {
  /**
   * @param times in ms. `timeout` limits one attempt
   * @throws LockNotObtainedError if the wait ends; LockUnavailableError as soon as too few servers answer
   */
  acquireForLoad(
    key: string,
    times: {
      readonly lease: number;
      readonly wait: number;
      readonly renew: number;
      readonly timeout: number;
    },
    method: MethodLabel | undefined,
  ): Promise<{ release(): Promise<void> }>;
}

export interface LoadLock {
  /** How long the call waited for the load of another process, in ms. */
  readonly waitedMs: number;
  release(): void;
}

/** The lock is renewed for as long as a load lease is extended (load-lease.ts). */
const MAX_LEASES = 20;

const NOT_LOCKED: LoadLock = { waitedMs: 0, release() {} };

/**
 * Acquires the lock of a load with `stampede: 'lock'`. The lock only saves work: the lease of the entry decides what may be
 * stored. So the load continues without a lock that cannot be acquired; the failure is published as an `error` event.
 *
 * @param requestedAt when the call started, by this process' clock
 */
export async function acquireLoadLock<T>(
  {
    clock,
    events,
    loadLocks,
  }: { readonly clock: Clock; readonly events: EventPublisher; readonly loadLocks: LoadLocks },
  { key, method, policy }: CacheCall<T>,
  requestedAt: number,
): Promise<LoadLock> {
  const { lease, lockTimeout: wait } = policy;
  const askedAt = clock.now();
  const timeout = policy.storeTimeout - (askedAt - requestedAt);
  if (timeout <= 0) return NOT_LOCKED;
  try {
    const times = { lease, wait, renew: MAX_LEASES * lease, timeout };
    const lock = await loadLocks.acquireForLoad(`cache:${key}`, times, method);
    return { waitedMs: clock.now() - askedAt, release: () => void lock.release() };
  } catch (error) {
    events.error('lock', { key, method }, error);
    if (error instanceof LockNotObtainedError) return { ...NOT_LOCKED, waitedMs: clock.now() - askedAt };
    // Time spent on an unavailable lock server is not time spent waiting for another load.
    // guard: load-goes-on-without-lock-servers
    if (error instanceof LockUnavailableError) return NOT_LOCKED;
    throw error;
  }
}
