import { LockNotObtainedError, LockUnavailableError } from '../errors.js';
import type { Locks } from './locks.js';
import type { ReadCall } from '../read-call.js';
import type { Workings } from '../workings.js';

/** As long as a load's lease is extended (leases.ts). */
const LEASES = 20;

export interface LoadLock {
  /** For how many ms another's load was waited for. */
  readonly waited: number;
  letGo(): void;
}

/**
 * The locks of loads with `stampede: 'lock'`. They only save work: what may be stored is decided by the entry's own
 * lease, so that a load goes on without a lock that it cannot have.
 */
export class LoadLocks {
  readonly #in: Workings;
  readonly #locks: Locks;

  constructor(shared: Workings, locks: Locks) {
    this.#in = shared;
    this.#locks = locks;
  }

  /** @param begun when the call began, by our clock */
  async acquire<T>({ key, method, policy }: ReadCall<T>, begun: number): Promise<LoadLock> {
    const { clock, reporter } = this.#in;
    const { lease, wait } = policy;
    const since = clock.now();
    const budget = policy.budget - (since - begun);
    if (budget <= 0) return { waited: 0, letGo() {} };
    try {
      const times = { lease, wait, renew: LEASES * lease, budget };
      const lock = await this.#locks.acquireForLoad(`cache:${key}`, times, method);
      return { waited: clock.now() - since, letGo: () => void lock.release() };
    } catch (error) {
      reporter.error('lock', { key, method }, error);
      if (error instanceof LockNotObtainedError) return { waited: clock.now() - since, letGo() {} };
      // What a server that is away has cost is the call's loss, and no waiting for another.
      if (error instanceof LockUnavailableError) return { waited: 0, letGo() {} };
      throw error;
    }
  }
}
