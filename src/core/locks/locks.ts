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
import type { KeyContext } from '../keys/context.js';
import { parseOptions, type ParsedOptions } from '../shared/option-schema.js';

/**
 * The plain verbs behind `@Locked`: `caching.locks`. A lock is a lease: it has at most one holder at a time, provided that
 * clock rates differ by at most 1 % and the store does not lose the lock (docs/locks.md).
 */
export class Locks {
  readonly #engine: LockEngine;
  readonly #context: KeyContext | undefined;

  /** @internal made by `new Caching(...)` */
  constructor(engine: LockEngine, context?: KeyContext) {
    this.#engine = engine;
    this.#context = context;
  }

  /**
   * Acquires the lock, runs `work`, and releases the lock. Returns or throws what `work` returns or throws, even if the lease
   * was lost meanwhile: `work` detects that with the lease's `signal` and `assertHeld()`, and the resource with the fencing
   * token. Within `work`, `currentLease()` returns the lease.
   *
   * @throws OptionsError for invalid options
   * @throws KeyError for an invalid key; MissingContextError
   * @throws LockNotObtainedError if others hold the lock for the whole `wait`
   * @throws LockUnavailableError if too few lock servers answer or the `Caching` is closed, unless `onUnavailable` is
   * `'run'`
   * @throws the reason of `signal`; what `work` throws
   * @see G8 in docs/coherence.md
   * @example
   * await caching.locks.withLease('invoice:42', { wait: '2s' }, async (lease) => pay(invoice, lease.fencingToken));
   */
  async withLease<T>(
    target: LockTarget,
    options: LockOptions,
    work: (lease: Lease) => Promise<T> | T,
  ): Promise<T> {
    const parsed = parseOptions(lockOptions, options, 'withLease');
    return await this.#engine.run(this.#call(target, parsed, 'withLease'), work);
  }

  /**
   * Acquires the lock and returns its lease, which lasts until `release()` or the end of `renew`.
   *
   * @throws OptionsError for invalid options
   * @throws KeyError for an invalid key; MissingContextError
   * @throws LockNotObtainedError if others hold the lock for the whole `wait`
   * @throws LockUnavailableError if too few lock servers answer, or the `Caching` is closed
   * @throws the reason of `signal`
   * @see G8 in docs/coherence.md
   * @example
   * await using lease = await caching.locks.acquire('invoice:42');
   */
  async acquire(target: LockTarget, options: AcquireOptions = {}): Promise<Lease> {
    const parsed = parseOptions(acquireOptions, options, 'acquire');
    return await this.#engine.acquire(this.#call(target, parsed, 'acquire'));
  }

  #call(target: LockTarget, parsed: ParsedOptions<typeof lockOptions>, label: string): LockCall {
    const named = lockedKeys(target, label);
    const context = this.#context?.read(label);
    const keys = context === undefined ? named : named.map((key) => context.key(key));
    return this.#engine.call(keys, this.#engine.policy(parsed, label), undefined, label);
  }
}
