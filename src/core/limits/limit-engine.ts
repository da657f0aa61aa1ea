import type { Label } from '../shared/describe.js';
import { CapacityWaits } from './capacity-wait.js';
import { ConcurrencySlots, type ConcurrencySlot } from './concurrency-slots.js';
import { allowAll, limitExceeded } from './decide.js';
import type { Decision } from '../ports/decision.js';
import { StoreUnavailableError } from '../shared/errors.js';
import { LIMIT_DEFAULTS, type limitOptions, type LimitPolicy, type RunOptions } from './limit-options.js';
import { rateSubject } from '../keys/store-keys.js';
import { resolveOptions, type ParsedOptions } from '../shared/option-schema.js';
import type { Clock } from '../ports/clock.js';
import type { RateStore } from '../ports/rate-store.js';
import type { LimitCall, TakenUnits } from './limit-call.js';
import { RateLimiter } from './rate-limiter.js';
import type { Listen } from '../shared/wakeups.js';
import { EventPublisher, type MethodLabel } from '../shared/event-publisher.js';
import { checkCost, type RuleSet } from './rules.js';

/** What a limit engine needs. */
export interface LimitEngineSetup {
  readonly namespace: string;
  readonly store: RateStore;
  readonly clock: Clock;
  readonly defaults: ParsedOptions<typeof limitOptions>;
  readonly enabled: boolean;
  readonly listen?: Listen;
}

/** The options of one call that are not part of its policy. */
export interface LimitRunOptions {
  /** How long to wait for capacity, in ms; undefined: the call does not wait. */
  readonly wait?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly refundOnError?: RunOptions['refundOnError'];
  readonly dryRun?: boolean | undefined;
}

/** A call as a decorator or a verb passes it. */
export interface LimitRequest {
  readonly key: string;
  readonly method: MethodLabel | undefined;
  readonly rules: RuleSet;
  readonly policy: LimitPolicy;
  readonly cost: number;
  readonly requestToken?: string | undefined;
  readonly force?: boolean | undefined;
}

/**
 * Implements `@RateLimited` and `caching.limits`. `run` is the path of a limited call: decide (rate-limiter.ts), wait for
 * capacity if the options say so (capacity-wait.ts), hold a slot of each concurrency rule while the work runs
 * (concurrency-slots.ts), and refund the units of a failed call under `refundOnError`.
 *
 * @see G9 in docs/coherence.md
 */
export class LimitEngine {
  readonly enabled: boolean;
  readonly defaults: LimitPolicy;
  readonly #namespace: string;
  readonly #store: RateStore;
  readonly #events: EventPublisher;
  readonly #limiter: RateLimiter;
  readonly #waits: CapacityWaits;
  readonly #slots: ConcurrencySlots;

  constructor({ namespace, store, clock, defaults, enabled, listen }: LimitEngineSetup) {
    this.enabled = enabled;
    this.defaults = resolveOptions(defaults, LIMIT_DEFAULTS);
    this.#namespace = namespace;
    this.#store = store;
    this.#events = new EventPublisher(namespace);
    this.#limiter = new RateLimiter(store, clock, this.#events, (subject) => this.wake(subject));
    this.#waits = new CapacityWaits(clock, listen);
    this.#slots = new ConcurrencySlots({ clock, events: this.#events, limiter: this.#limiter });
  }

  /** Merges the options of a call with the defaults. */
  policy(options: ParsedOptions<typeof limitOptions>): LimitPolicy {
    return resolveOptions(options, this.defaults);
  }

  /**
   * Builds a call.
   *
   * @param label names the call in errors: `consume`, `@RateLimited on Logins.login`
   * @throws OptionsError if the cost exceeds the burst of a rule, so that the call could never be allowed
   */
  call(request: LimitRequest, label: Label): LimitCall {
    const { key, method, rules, policy, cost, requestToken, force = false } = request;
    if (!force) checkCost(cost, rules, label);
    const subject = rateSubject(this.#namespace, key);
    return { key, subject, method, rules, policy, cost, requestToken, force, taken: undefined };
  }

  /**
   * Decides about a call, after waiting for capacity if the options say so, and publishes the decision as `limit`.
   *
   * @param enforced false for a dry run
   * @throws StoreUnavailableError under `onUnavailable: 'deny'`; the signal's reason
   * @see G9, G10
   */
  async decide(call: LimitCall, { wait, signal }: LimitRunOptions, enforced = true): Promise<Decision> {
    if (!this.enabled) return allowAll(call.rules, 'none');
    const decision =
      wait === undefined && signal === undefined
        ? (this.#limiter.decideLocally(call) ?? (await this.#limiter.decideByStore(call)))
        : await this.#waits.untilCapacity(call.subject, wait ?? 0, signal, () => this.decideQuietly(call));
    const { key, method, cost } = call;
    const { rule, allowed, source } = decision;
    this.#events.publish('limit', method, { key, rule, allowed, cost, source, enforced });
    return decision;
  }

  /** Decides at once, without publishing the decision. @throws StoreUnavailableError under `onUnavailable: 'deny'` */
  async decideQuietly(call: LimitCall): Promise<Decision> {
    if (!this.enabled) return allowAll(call.rules, 'none');
    return this.#limiter.decideLocally(call) ?? this.#limiter.decideByStore(call);
  }

  /**
   * Runs `work` if the limit allows the call.
   * @throws RateLimitExceededError; StoreUnavailableError under `onUnavailable: 'deny'`; the signal's reason; what `work` throws
   */
  async run<T>(call: LimitCall, options: LimitRunOptions, work: () => Promise<T> | T): Promise<T> {
    if (!this.enabled) return work();
    if (options.dryRun === true) await this.#observe(call);
    else {
      const decision = await this.decide(call, options);
      if (!decision.allowed) throw limitExceeded(call.key, decision);
    }
    const { taken } = call;
    if (taken === undefined) return work();
    const slot = call.rules.concurrencyRules.length > 0 ? this.#slots.hold(call, taken) : undefined;
    try {
      return await work();
    } catch (error) {
      if (this.#isRefunded(options.refundOnError, call, error)) await this.#refund(call, taken, slot);
      throw error;
    } finally {
      // guard: ended-run-releases-its-slot
      await slot?.release();
    }
  }

  /** Refunds the cost of a call. @throws StoreUnavailableError under `onUnavailable: 'deny'` */
  async refund(call: LimitCall): Promise<void> {
    if (this.enabled && call.cost > 0) await this.#limiter.refund(call);
  }

  /** Blocks a key for `ms`. @throws StoreUnavailableError */
  async block(key: string, ms: number): Promise<void> {
    const subject = rateSubject(this.#namespace, key);
    if (!this.enabled) return;
    await this.#store.block(subject, ms, this.defaults.storeTimeout);
    this.#limiter.denials.drop(subject);
  }

  /** Removes the block of a subject and the usage under `keys`. @throws StoreUnavailableError */
  async reset(call: LimitCall, keys: readonly string[]): Promise<void> {
    const { subject } = call;
    if (!this.enabled) return;
    const { denials, fallback } = this.#limiter;
    denials.drop(subject);
    await fallback.reset(subject, keys);
    await this.#store.reset(subject, keys, this.defaults.storeTimeout);
    denials.drop(subject);
  }

  /** Publishes an error that the caller does not see. For decorators. */
  report(operation: string, method: MethodLabel, error: unknown): void {
    this.#events.error(operation, { method }, error);
  }

  /** Called by the adapter when units of this subject were released, refunded or reset. */
  wake(subject: string): void {
    // guard: wake-drops-denials
    this.#limiter.denials.drop(subject);
    this.#waits.wake(subject);
  }

  /** Ends all waits and releases the slots. */
  async close(): Promise<void> {
    this.#waits.close();
    await this.#slots.releaseAll();
    this.#limiter.releases.close();
  }

  /** A dry run: publishes the decision. A failure of the store does not affect the call. */
  async #observe(call: LimitCall): Promise<void> {
    try {
      await this.decide(call, {}, false);
    } catch (error) {
      // The rate limiter has published it.
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  }

  #isRefunded(choice: RunOptions['refundOnError'], call: LimitCall, error: unknown): boolean {
    try {
      return typeof choice === 'function' ? choice(error) : choice === true;
    } catch (mistake) {
      this.#events.error('refundOnError', call, mistake);
      return false;
    }
  }

  /** Refunds units and slots in one request. Never rejects, so that the caller sees the original error. */
  async #refund(
    call: LimitCall,
    { store, request }: TakenUnits,
    slot: ConcurrencySlot | undefined,
  ): Promise<void> {
    slot?.end();
    const { subject, rules, cost, token } = request;
    try {
      await store.refund({ subject, rules, cost, token, wakeOnlyIfFull: false }, call.policy.storeTimeout);
    } catch (error) {
      this.#events.error('refund', call, error);
    }
    this.#limiter.denials.drop(subject);
  }
}
