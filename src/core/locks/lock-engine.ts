import type { Place } from '../shared/describe.js';
import { acquireError, closedError, type Refusal } from './acquire-errors.js';
import { leaseAround, runWithin, type LeaseScope } from './current-lease.js';
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
import { resolveOptions, type Given, type Resolved } from '../shared/option-schema.js';
import type { Clock } from '../ports/clock.js';
import type { LockGrant, LockRequest, LockStore } from '../ports/lock-store.js';
import { ProcessQueues } from './process-queue.js';
import { EventPublisher, type MethodLabel } from '../shared/event-publisher.js';
import { newToken } from '../shared/token.js';
import { Wakeups } from '../shared/wakeups.js';

export interface LockEngineSetup {
  readonly namespace: string;
  readonly store: LockStore;
  readonly clock: Clock;
  readonly defaults: Given<typeof lockTimes>;
  readonly enabled: boolean;
}

/** One call for a lock, its options resolved. */
export interface LockCall {
  /** Logical, sorted. */
  readonly keys: readonly string[];
  readonly policy: LockPolicy;
  /** `Class.method`; undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
  /** The most that one attempt may take, in ms. @default what the lease allows */
  readonly attemptTimeout?: number | undefined;
}

/** How long a waiter's queue ticket or a waiting writer's claim stays valid without a retry. Polls are much nearer. */
const TICKET_MS = 2_000;

/**
 * What runs under `@Locked` and `caching.locks`. `run` is the path of a locked call: acquire a lease
 * (lock-acquisition.ts) or find the one around the call (current-lease.ts), run the body within it, and release it
 * (held-lease.ts).
 */
export class LockEngine {
  readonly enabled: boolean;
  readonly defaults: Resolved<typeof lockOptions>;
  readonly #namespace: string;
  readonly #context: LockContext;
  readonly #acquisitions = new LinkedSet<LockAcquisition<HeldLease>>();
  readonly #held = new LinkedSet<HeldLease>();
  #closed = false;

  constructor({ namespace, store, clock, defaults, enabled }: LockEngineSetup) {
    this.enabled = enabled;
    const given: Given<typeof lockOptions> = defaults;
    this.defaults = resolveOptions(given, LOCK_DEFAULTS);
    this.#namespace = namespace;
    this.#context = {
      store,
      clock,
      events: new EventPublisher(namespace),
      wakeups: new Wakeups(),
      queues: new ProcessQueues<Refusal>(),
    };
  }

  /**
   * What was given over the defaults.
   * @param where names the place in errors: `acquire`, `@Locked on Invoices.settle`
   * @throws OptionsError
   */
  policy(given: Given<typeof lockOptions>, where: string): LockPolicy {
    return resolveLockPolicy(given, this.defaults, where);
  }

  /**
   * @param keys logical
   * @param place in errors
   * @throws OptionsError for what so many keys, or the lock servers, cannot have
   */
  call(keys: readonly string[], policy: LockPolicy, method: MethodLabel | undefined, place: Place): LockCall {
    const sorted = sortedKeys(keys, place);
    checkPossible(policy, sorted.length, this.#context.store.hasSingleAuthority, place);
    return { keys: sorted, policy, method };
  }

  /**
   * Runs `work` while holding the lock, and releases it. What `work` returns or throws always reaches the caller.
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

  /** Runs `work` as if locks were switched off for it. */
  async runUnlocked<T>(keys: readonly string[], work: (lease: Lease) => Promise<T> | T): Promise<T> {
    return runWithin({ lease: noopLease(keys, { intended: true }), exclusive: undefined }, work);
  }

  /** @throws LockNotObtainedError, LockUnavailableError; the signal's reason */
  async acquire(call: LockCall): Promise<Lease> {
    if (!this.enabled) return noopLease(call.keys, { intended: true });
    return this.#acquire(call, this.#namesOf(call), undefined);
  }

  /**
   * For the cache: the lock of a load, which saves work and no more.
   *
   * @param times in ms; `timeout`: the most that one attempt may take
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
    // `run`: the wait ends as soon as too few servers answer.
    const given = { lease, wait, renew, onUnavailable: 'run' } as const;
    const policy = resolveLockPolicy(given, LOCK_DEFAULTS, 'stampede');
    const attemptTimeout = Math.min(timeout, leaseValidity(lease));
    return this.acquire({ keys: [key], policy, method, attemptTimeout });
  }

  /** For the adapter: a lock of this name was released. */
  wake(name: string): void {
    this.#context.wakeups.wake(name);
  }

  /** Ends every wait, aborts the signals of the leases that are held, and releases them. */
  async close(): Promise<void> {
    this.#closed = true;
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

  /** The lease that a body runs under: the one around it, a new one, or none. */
  async #scope(call: LockCall): Promise<LeaseScope> {
    const { keys, policy } = call;
    const names = this.#namesOf(call);
    const enclosing = leaseAround(this, names);
    if (policy.reentrant && enclosing !== undefined) {
      return { lease: reentrantLease(enclosing, keys), exclusive: undefined };
    }
    try {
      const lease = await this.#acquire(call, names, enclosing);
      return { lease, exclusive: policy.permits === 1 ? { by: this, names: new Set(names) } : undefined };
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
      if (this.#closed) throw closedError(keys);
      const acquisition = this.#begin(call, names, startedAt, enclosing);
      this.#acquisitions.add(acquisition);
      void acquisition.ended.then(() => this.#acquisitions.delete(acquisition));
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
    return new LockAcquisition(this.#context, {
      keys,
      request: requestOf(names, policy),
      wait,
      attemptTimeout,
      retryWhenUnavailable: policy.onUnavailable === 'throw',
      signal,
      hold: (grant, askedAt) => this.#hold(call, names, grant, askedAt),
      error: (last) =>
        acquireError(keys, this.#context.clock.now() - startedAt, last, enclosing !== undefined),
    });
  }

  #hold(
    { keys, method, policy }: LockCall,
    names: readonly string[],
    grant: LockGrant,
    askedAt: number,
  ): HeldLease {
    const { clock, events, wakeups } = this.#context;
    const lease: HeldLease = new HeldLease({
      clock,
      events,
      method,
      keys,
      grant,
      askedAt,
      leaseMs: policy.lease,
      renewMs: policy.renew,
      ended: () => {
        this.#held.delete(lease);
        // The next caller of this process tries at once: the message comes later, and may be lost.
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
