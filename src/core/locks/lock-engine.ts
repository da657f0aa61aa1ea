import type { Label } from '../shared/describe.js';
import { acquireError, closedError, type Refusal } from './acquire-errors.js';
import { enclosingLease, runWithin, type LeaseScope } from './current-lease.js';
import { LockNotObtainedError, LockUnavailableError } from '../shared/errors.js';
import { HeldLease, leaseValidity } from './held-lease.js';
import { lockKey } from '../keys/store-keys.js';
import { noopLease, reentrantLease, type Lease } from './lease.js';
import { LinkedSet } from '../shared/linked-set.js';
import { LockAcquisition, type LockContext } from './lock-acquisition.js';
import {
  checkPossible,
  LEASE_LIMITS,
  LOCK_DEFAULTS,
  resolveLockPolicy,
  sortedKeys,
  type lockOptions,
  type LockPolicy,
  type lockTimes,
} from './lock-options.js';
import { resolveOptions, type ParsedOptions, type Resolved } from '../shared/option-schema.js';
import type { Clock } from '../ports/clock.js';
import type { LockGrant, LockRequest, LockStore } from '../ports/lock-store.js';
import { ProcessQueues } from './process-queue.js';
import { EventPublisher, type MethodLabel } from '../shared/event-publisher.js';
import { newToken } from '../shared/token.js';
import { Wakeups, type Listen } from '../shared/wakeups.js';

/** What a lock engine needs. */
export interface LockEngineSetup {
  readonly namespace: string;
  readonly store: LockStore;
  readonly clock: Clock;
  readonly defaults: ParsedOptions<typeof lockTimes>;
  readonly enabled: boolean;
  readonly listen?: Listen;
}

/** A call for a lock, with resolved options. */
export interface LockCall {
  /** The logical keys, sorted. */
  readonly keys: readonly string[];
  readonly policy: LockPolicy;
  /** `Class.method`; undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
  /** The timeout of one attempt, in ms. @default the validity of the lease */
  readonly attemptTimeout?: number | undefined;
}

/** How long a waiter's queue ticket or a waiting writer's claim stays valid without a retry. Polls are much more frequent. */
const TICKET_MS = 2_000;

/**
 * Implements `@Locked` and `caching.locks`. `run` is the path of a locked call: acquire a lease (lock-acquisition.ts) or find
 * the enclosing one (current-lease.ts), run the body within it, and release it (held-lease.ts).
 *
 * @see G8 in docs/coherence.md
 */
export class LockEngine {
  readonly enabled: boolean;
  readonly defaults: Resolved<typeof lockOptions>;
  /** That of a call without options. */
  readonly #defaultPolicy: LockPolicy;
  readonly #namespace: string;
  readonly #context: LockContext;
  readonly #acquisitions = new LinkedSet<LockAcquisition<HeldLease>>();
  readonly #held = new LinkedSet<HeldLease>();
  #isClosed = false;

  constructor({ namespace, store, clock, defaults, enabled, listen }: LockEngineSetup) {
    this.enabled = enabled;
    const lockDefaults: ParsedOptions<typeof lockOptions> = defaults;
    this.defaults = resolveOptions(lockDefaults, LOCK_DEFAULTS);
    this.#defaultPolicy = resolveLockPolicy({}, this.defaults, 'locks');
    this.#namespace = namespace;
    this.#context = {
      store,
      clock,
      events: new EventPublisher(namespace),
      wakeups: new Wakeups(listen),
      queues: new ProcessQueues<Refusal>(),
    };
  }

  /**
   * Merges the options of a call with the defaults.
   * @param label names the call in errors: `acquire`, `@Locked on Invoices.settle`
   * @throws OptionsError
   */
  policy(options: ParsedOptions<typeof lockOptions>, label: string): LockPolicy {
    const isDefault = Object.keys(options).length === 0;
    return isDefault ? this.#defaultPolicy : resolveLockPolicy(options, this.defaults, label);
  }

  /**
   * Builds a call.
   *
   * @param keys the logical keys
   * @param label names the call in errors
   * @throws OptionsError for a policy that is not possible with this number of keys or these lock servers
   */
  call(keys: readonly string[], policy: LockPolicy, method: MethodLabel | undefined, label: Label): LockCall {
    const sorted = sortedKeys(keys, label);
    checkPossible(policy, sorted.length, this.#context.store.hasSingleAuthority, label);
    return { keys: sorted, policy, method };
  }

  /**
   * Acquires the lock, runs `work`, and releases the lock.
   * @throws LockNotObtainedError, LockUnavailableError; the signal's reason; what `work` throws
   */
  async run<T>(call: LockCall, work: (lease: Lease) => Promise<T> | T): Promise<T> {
    if (!this.enabled) return this.runUnlocked(call.keys, work);
    const scope = await this.#scope(call);
    try {
      return await runWithin(scope, work);
    } finally {
      await scope.lease.release();
    }
  }

  /** Runs `work` without a lock, with a lease whose `assertHeld()` passes. */
  async runUnlocked<T>(keys: readonly string[], work: (lease: Lease) => Promise<T> | T): Promise<T> {
    return runWithin({ lease: noopLease(keys, { intended: true }), exclusive: undefined }, work);
  }

  /** Acquires the lock. @throws LockNotObtainedError, LockUnavailableError; the signal's reason */
  async acquire(call: LockCall): Promise<Lease> {
    if (!this.enabled) return noopLease(call.keys, { intended: true });
    return await this.#acquire(call, this.#namesOf(call), undefined);
  }

  /**
   * Acquires the lock of a load (cache/load-lock.ts).
   *
   * @param times in ms. `timeout` limits one attempt
   * @throws LockNotObtainedError; LockUnavailableError as soon as too few servers answer
   */
  async acquireForLoad(
    key: string,
    times: {
      readonly lease: number;
      readonly wait: number;
      readonly renew: number;
      readonly timeout: number;
    },
    method: MethodLabel | undefined,
  ): Promise<Lease> {
    const { wait, renew, timeout } = times;
    const lease = Math.min(Math.max(times.lease, LEASE_LIMITS.min), LEASE_LIMITS.max);
    // With `run` the wait ends as soon as too few servers answer.
    const options = { lease, wait, renew, onUnavailable: 'run' } as const;
    const policy = resolveLockPolicy(options, LOCK_DEFAULTS, 'stampede');
    const attemptTimeout = Math.min(timeout, leaseValidity(lease));
    return this.acquire({ keys: [key], policy, method, attemptTimeout });
  }

  /** Called by the adapter when the lock of this name was released. */
  wake(name: string): void {
    this.#context.wakeups.wake(name);
  }

  /** Ends all waits, aborts the signals of all held leases, and releases them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const acquisitions = this.#acquisitions.values();
    for (const acquisition of acquisitions) acquisition.stop(closedError(acquisition.keys));
    await Promise.all([
      ...acquisitions.map(({ ended }) => ended),
      ...this.#held.values().map((lease) => lease.close()),
    ]);
  }

  #namesOf({ keys }: LockCall): readonly string[] {
    return keys.map((key) => lockKey(this.#namespace, key)).sort();
  }

  /** The lease within which a body runs: the enclosing one, a new one, or a lease without a lock. */
  async #scope(call: LockCall): Promise<LeaseScope> {
    const { keys, policy } = call;
    const names = this.#namesOf(call);
    const enclosing = enclosingLease(this, names);
    if (policy.reentrant && enclosing !== undefined) {
      return { lease: reentrantLease(enclosing, keys), exclusive: undefined };
    }
    try {
      const lease = await this.#acquire(call, names, enclosing);
      return { lease, exclusive: policy.permits === 1 ? { engine: this, names: new Set(names) } : undefined };
    } catch (error) {
      if (policy.onUnavailable === 'throw' || !(error instanceof LockUnavailableError)) throw error;
      return { lease: noopLease(keys, { intended: false }), exclusive: undefined };
    }
  }

  async #acquire(call: LockCall, names: readonly string[], enclosing: Lease | undefined): Promise<Lease> {
    const { clock, events } = this.#context;
    const { keys, method, policy } = call;
    const startedAt = clock.now();
    try {
      policy.signal?.throwIfAborted();
      if (this.#isClosed) throw closedError(keys);
      const acquisition = this.#begin(call, names, startedAt, enclosing);
      this.#acquisitions.add(acquisition);
      const lease = await acquisition.acquired;
      events.publish('lock', method, { keys, waitedMs: clock.now() - startedAt });
      return lease;
    } catch (error) {
      const isAborted = policy.signal?.aborted === true && error === policy.signal.reason;
      const reason = isAborted ? 'aborted' : error instanceof LockNotObtainedError ? 'held' : 'unavailable';
      events.publish('lockNotAcquired', method, { keys, waitedMs: clock.now() - startedAt, reason });
      throw error;
    }
  }

  #begin(
    call: LockCall,
    names: readonly string[],
    startedAt: number,
    enclosing: Lease | undefined,
  ): LockAcquisition<HeldLease> {
    const { keys, policy, attemptTimeout = leaseValidity(policy.lease) } = call;
    const { signal, wait } = policy;
    const acquisition: LockAcquisition<HeldLease> = new LockAcquisition(this.#context, {
      keys,
      request: requestOf(names, policy),
      wait,
      attemptTimeout,
      retryWhenUnavailable: policy.onUnavailable === 'throw',
      signal,
      createLease: (grant, requestedAt) => this.#createLease(call, names, grant, requestedAt),
      error: (last) =>
        acquireError(keys, this.#context.clock.now() - startedAt, last, enclosing !== undefined),
      onEnd: () => this.#acquisitions.delete(acquisition),
    });
    return acquisition;
  }

  #createLease(
    { keys, method, policy }: LockCall,
    names: readonly string[],
    grant: LockGrant,
    requestedAt: number,
  ): HeldLease {
    const { clock, events, wakeups } = this.#context;
    const lease: HeldLease = new HeldLease({
      clock,
      events,
      method,
      keys,
      grant,
      requestedAt,
      leaseMs: policy.lease,
      renewMs: policy.renew,
      onEnd: () => {
        this.#held.delete(lease);
        // Wake the next caller of this process now: the message of the store arrives later and may be lost.
        // guard: release-wakes-its-own-process
        for (const name of names) wakeups.wake(name);
      },
    });
    this.#held.add(lease);
    return lease;
  }
}

function requestOf(names: readonly string[], { fair, lease, permits, wait }: LockPolicy): LockRequest {
  return {
    keys: names,
    leaseMs: lease,
    permits,
    ticket: fair ? newToken() : undefined,
    // A single attempt leaves nothing behind.
    ticketMs: wait === 0 ? 0 : TICKET_MS,
  };
}
