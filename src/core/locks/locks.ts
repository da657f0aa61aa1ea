import { leaseAround, runWithin, type Scope } from './current-lease.js';
import { LockUnavailableError } from '../errors.js';
import { lockKey } from '../key.js';
import type { Lease } from './lease.js';
import { LocalQueues } from './local-queues.js';
import { lockedKeys, sortedKeys } from './lock-keys.js';
import { LockLeases, type LockCall } from './lock-leases.js';
import {
  acquireOptionNames,
  checkPossible,
  leaseLimits,
  lockOptionNames,
  resolveLock,
  type AcquireOptions,
  type LockOptions,
  type LockPolicy,
  type LockTarget,
  type LockTimes,
} from './lock-options.js';
import type { Answer } from './lock-wait.js';
import { checkNames } from '../options.js';
import type { Clock, LockStore } from '../ports.js';
import { Reporter } from '../reporter.js';
import { nestedLease, unheldLease } from './unheld-lease.js';
import { validity } from './validity.js';
import { Waiters } from '../waiters.js';

export interface LocksSetup {
  readonly namespace: string;
  readonly store: LockStore;
  readonly clock: Clock;
  readonly defaults: LockTimes;
  readonly enabled: boolean;
}

/** In ms. `budget`: the most that one attempt may take. */
export interface LoadLockTimes {
  readonly lease: number;
  readonly wait: number;
  readonly renew: number;
  readonly budget: number;
}

const LOAD = {
  permits: 1,
  fair: false,
  signal: undefined,
  reentrant: false,
  onUnavailable: 'throw',
} as const;

/**
 * The plain verbs behind `@Locked`. A lock is a lease: at most one holder at a time, while clocks run at about the
 * same rate and the store does not lose it (docs/locks.md).
 */
export class Locks {
  readonly #leases: LockLeases;
  readonly #waiters = new Waiters();
  readonly #namespace: string;
  readonly #single: boolean;
  readonly #defaults: LockTimes;
  readonly #enabled: boolean;

  /** @internal made by `new Caching(...)` */
  constructor({ namespace, store, clock, defaults, enabled }: LocksSetup) {
    const reporter = new Reporter(namespace);
    const queues = new LocalQueues<Answer>();
    this.#leases = new LockLeases({ store, clock, reporter, waiters: this.#waiters, queues });
    this.#single = store.single;
    this.#namespace = namespace;
    this.#defaults = defaults;
    this.#enabled = enabled;
  }

  /**
   * Runs `work` while holding the lock, and gives it back. What `work` returns or throws always reaches the caller:
   * if the lease is lost meanwhile, `work` finds out by the lease's `signal` and `assertHeld()`, and the resource by
   * the fencing token. Within it `currentLease()` is its lease.
   *
   * @throws LockNotObtainedError, LockUnavailableError; the signal's reason
   * @example
   * await locks.withLease('invoice:42', { wait: '2s' }, async (lease) => pay(invoice, lease.fencingToken));
   */
  async withLease<T>(
    target: LockTarget,
    options: LockOptions,
    work: (lease: Lease) => Promise<T> | T,
  ): Promise<T> {
    checkNames(options, lockOptionNames, 'withLease');
    return this.#run(this.#call(lockedKeys(target, 'withLease'), options, 'withLease', undefined), work);
  }

  /** @internal for `@Locked`: the keys are logical, and the options' names checked */
  async withLeaseAs<T>(
    method: string,
    keys: readonly string[],
    options: LockOptions,
    work: (lease: Lease) => Promise<T> | T,
  ): Promise<T> {
    const where = `@Locked on ${method}`;
    return this.#run(this.#call(sortedKeys(keys, where), options, where, method), work);
  }

  /** @internal for `@Locked`: runs `work` as if locks were switched off for it */
  async unlocked<T>(keys: readonly string[], work: (lease: Lease) => Promise<T> | T): Promise<T> {
    return runWithin({ lease: unheldLease(keys, true), alone: undefined }, work);
  }

  /**
   * Takes the lock until `release()`, or the end of `renew`.
   *
   * @throws LockNotObtainedError, LockUnavailableError; the signal's reason
   * @example
   * await using lease = await locks.acquire('invoice:42');
   */
  async acquire(target: LockTarget, options: AcquireOptions = {}): Promise<Lease> {
    checkNames(options, acquireOptionNames, 'acquire');
    const call = this.#call(lockedKeys(target, 'acquire'), options, 'acquire', undefined);
    return this.#enabled ? this.#leases.obtain(call) : unheldLease(call.keys, true);
  }

  /**
   * @internal for the engine: the lock of a load, which saves work and no more
   * @throws what `acquire` throws, and as soon as too few servers answer
   */
  async acquireForLoad(key: string, times: LoadLockTimes, method: string | undefined): Promise<Lease> {
    const { min, max } = leaseLimits;
    const lease = Math.min(Math.max(times.lease, min), max);
    const policy: LockPolicy = { ...LOAD, ...times, lease };
    const call = this.#callFor([key], policy, method);
    return this.#leases.obtain({ ...call, insists: false, budget: Math.min(times.budget, call.budget) });
  }

  /** @internal for the adapter: a lock was given back */
  wake(name: string): void {
    this.#waiters.wake(name);
  }

  /** @internal Ends every wait, and gives back what is held. */
  async close(): Promise<void> {
    await this.#leases.close();
  }

  /** @throws OptionsError */
  #call(keys: readonly string[], options: LockOptions, where: string, method: string | undefined): LockCall {
    const policy = resolveLock(options, this.#defaults, where);
    checkPossible(policy, keys.length, this.#single, where);
    return this.#callFor(keys, policy, method);
  }

  #callFor(keys: readonly string[], policy: LockPolicy, method: string | undefined): LockCall {
    const names = keys.map((key) => lockKey(this.#namespace, key)).sort();
    return {
      keys,
      names,
      policy,
      method,
      budget: validity(policy.lease),
      insists: policy.onUnavailable === 'throw',
      around: leaseAround(this, names),
    };
  }

  async #run<T>(call: LockCall, work: (lease: Lease) => Promise<T> | T): Promise<T> {
    if (!this.#enabled) return this.unlocked(call.keys, work);
    const { lease, alone } = await this.#scope(call);
    try {
      return await runWithin({ lease, alone }, work);
    } finally {
      await lease.release();
    }
  }

  /** The lease that a body runs under: one around it, a new one, or none. */
  async #scope(call: LockCall): Promise<Scope> {
    const { around, keys, names, policy } = call;
    if (policy.reentrant && around !== undefined)
      return { lease: nestedLease(around, keys), alone: undefined };
    try {
      const lease = await this.#leases.obtain(call);
      return { lease, alone: policy.permits === 1 ? { by: this, names: new Set(names) } : undefined };
    } catch (error) {
      if (policy.onUnavailable === 'throw' || !(error instanceof LockUnavailableError)) throw error;
      return { lease: unheldLease(keys, false), alone: undefined };
    }
  }
}
