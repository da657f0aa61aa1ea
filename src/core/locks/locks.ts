import type { Lease } from './lease.js';
import type { LockCall, LockEngine } from './lock-engine.js';
import {
  acquireOptions,
  lockedKeys,
  lockOptions,
  type AcquireOptions,
  type LockOptions,
  type LockTarget,
} from './lock-options.js';
import { parseOptions, type ParsedOptions } from '../shared/option-schema.js';

/**
 * The plain verbs behind `@Locked`: `caching.locks`. A lock is a lease: at most one holder at a time, while clocks run at
 * about the same rate and the store does not lose it (docs/locks.md).
 */
export class Locks {
  readonly #engine: LockEngine;

  /** @internal made by `new Caching(...)` */
  constructor(engine: LockEngine) {
    this.#engine = engine;
  }

  /**
   * Runs `work` while holding the lock, and releases it. What `work` returns or throws always reaches the caller: if the
   * lease is lost meanwhile, `work` learns it from the lease's `signal` and `assertHeld()`, and the resource from the
   * fencing token. Inside, `currentLease()` is the lease.
   *
   * @throws OptionsError, KeyError, LockNotObtainedError, LockUnavailableError; the signal's reason; what `work` throws
   * @example
   * await caching.locks.withLease('invoice:42', { wait: '2s' }, async (lease) => pay(invoice, lease.fencingToken));
   */
  async withLease<T>(
    target: LockTarget,
    options: LockOptions,
    work: (lease: Lease) => Promise<T> | T,
  ): Promise<T> {
    const parsed = parseOptions(lockOptions, options, 'withLease');
    return this.#engine.run(this.#call(target, parsed, 'withLease'), work);
  }

  /**
   * Acquires the lock until `release()`, or the end of `renew`.
   *
   * @throws OptionsError, KeyError, LockNotObtainedError, LockUnavailableError; the signal's reason
   * @example
   * await using lease = await caching.locks.acquire('invoice:42');
   */
  async acquire(target: LockTarget, options: AcquireOptions = {}): Promise<Lease> {
    const parsed = parseOptions(acquireOptions, options, 'acquire');
    return this.#engine.acquire(this.#call(target, parsed, 'acquire'));
  }

  #call(target: LockTarget, parsed: ParsedOptions<typeof lockOptions>, label: string): LockCall {
    return this.#engine.call(lockedKeys(target, label), this.#engine.policy(parsed, label), undefined, label);
  }
}
