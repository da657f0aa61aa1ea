import type { CacheCall } from './cache-call.js';
import { LockNotObtainedError, LockUnavailableError } from '../shared/errors.js';
import type { Clock } from '../ports/clock.js';
import type { EventPublisher, MethodLabel } from '../shared/event-publisher.js';

/** A lock for loads, from whatever locks the `Caching` has. */
export interface LoadLocks {
  /**
   * @param times in ms; `timeout`: the most that one attempt may take
   * @throws LockNotObtainedError; LockUnavailableError as soon as too few servers answer
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
  /** How long another process' load was waited for, in ms. */
  readonly waitedMs: number;
  release(): void;
}

/** As long as a load lease is extended (load-lease.ts). */
const MAX_LEASES = 20;

const NOT_LOCKED: LoadLock = { waitedMs: 0, release() {} };

/**
 * The lock of a load with `stampede: 'lock'`. It only saves work: the entry's own lease decides what may be stored, so a
 * load goes on without a lock that cannot be acquired.
 *
 * @param requestedAt when the call began, by this process' clock
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
    // Time lost to a server that is away is not time spent waiting for another load.
    // guard: load-goes-on-without-lock-servers
    if (error instanceof LockUnavailableError) return NOT_LOCKED;
    throw error;
  }
}
