import type { Place } from '../shared/describe.js';
import { CapacityWaits } from './capacity-wait.js';
import { ConcurrencySlots, type ConcurrencySlot } from './concurrency-slots.js';
import { allowAll, limitExceeded } from './decide.js';
import type { Decision } from '../ports/decision.js';
import { StoreUnavailableError } from '../shared/errors.js';
import { LIMIT_DEFAULTS, type limitOptions, type LimitPolicy, type RunOptions } from './limit-options.js';
import { rateSubject } from '../keys/store-keys.js';
import { resolveOptions, type Given } from '../shared/option-schema.js';
import type { Clock } from '../ports/clock.js';
import type { RateStore } from '../ports/rate-store.js';
import type { LimitCall, TakenUnits } from './limit-call.js';
import { RateLimiter } from './rate-limiter.js';
import { EventPublisher, type MethodLabel } from '../shared/event-publisher.js';
import { checkCost, type RuleSet } from './rules.js';

export interface LimitEngineSetup {
  readonly namespace: string;
  readonly store: RateStore;
  readonly clock: Clock;
  readonly defaults: Given<typeof limitOptions>;
  readonly enabled: boolean;
}

/** How one call to a limit goes: what is left of its options once the policy is resolved. */
export interface LimitRunOptions {
  /** How long it waits for capacity, in ms; undefined: it does not. */
  readonly wait?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly refundOnError?: RunOptions['refundOnError'];
  readonly dryRun?: boolean | undefined;
}

/** What a decorator or a verb knows of a call. */
export interface LimitRequest {
  readonly key: string;
  readonly method: MethodLabel | undefined;
  readonly rules: RuleSet;
  readonly policy: LimitPolicy;
  readonly cost: number;
  readonly requestToken?: string | undefined;
  readonly force?: boolean;
}

/**
 * What runs under `@RateLimited` and `caching.limits`. `run` is the path of a limited call: decide (rate-limiter.ts),
 * wait for capacity if asked to (capacity-wait.ts), hold a slot of each concurrency rule while the work runs
 * (concurrency-slots.ts), and refund what a failed call has taken.
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

  constructor({ namespace, store, clock, defaults, enabled }: LimitEngineSetup) {
    this.enabled = enabled;
    this.defaults = resolveOptions(defaults, LIMIT_DEFAULTS);
    this.#namespace = namespace;
    this.#store = store;
    this.#events = new EventPublisher(namespace);
    this.#limiter = new RateLimiter(store, clock, this.#events, (subject) => this.wake(subject));
    this.#waits = new CapacityWaits(clock);
    this.#slots = new ConcurrencySlots({ clock, events: this.#events, limiter: this.#limiter });
  }

  /** What was given over the defaults. */
  policy(given: Given<typeof limitOptions>): LimitPolicy {
    return resolveOptions(given, this.defaults);
  }

  /**
   * @param place in errors: `consume`, `@RateLimited on Logins.login`
   * @throws OptionsError if the cost can never be admitted
   */
  call(request: LimitRequest, place: Place): LimitCall {
    const { key, method, rules, policy, cost, requestToken, force = false } = request;
    if (!force) checkCost(cost, rules, place);
    const subject = rateSubject(this.#namespace, key);
    return { key, subject, method, rules, policy, cost, requestToken, force, taken: undefined };
  }

  /**
   * The decision about a call, after the wait that it asks for. Published as `limit`.
   * @throws StoreUnavailableError under the policy `deny`; the signal's reason
   */
  async decide(call: LimitCall, { wait, signal }: LimitRunOptions, enforced = true): Promise<Decision> {
    if (!this.enabled) return allowAll(call.rules, 'none');
    const decision =
      wait === undefined && signal === undefined
        ? (this.#limiter.decideLocally(call) ?? (await this.#limiter.decideByStore(call)))
        : await this.#waits.untilCapacity(call.subject, wait ?? 0, signal, () => this.look(call));
    const { key, method, cost } = call;
    const { rule, allowed, source } = decision;
    this.#events.publish('limit', method, { key, rule, allowed, cost, source, enforced });
    return decision;
  }

  /** The decision, at once and unpublished. @throws StoreUnavailableError under the policy `deny` */
  async look(call: LimitCall): Promise<Decision> {
    if (!this.enabled) return allowAll(call.rules, 'none');
    return this.#limiter.decideLocally(call) ?? this.#limiter.decideByStore(call);
  }

  /**
   * @throws RateLimitExceededError, StoreUnavailableError under the policy `deny`; the signal's reason; what `work` throws
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

  /** @throws StoreUnavailableError under the policy `deny` */
  async refund(call: LimitCall): Promise<void> {
    if (this.enabled && call.cost > 0) await this.#limiter.refund(call);
  }

  /** @throws StoreUnavailableError */
  async block(key: string, ms: number): Promise<void> {
    const subject = rateSubject(this.#namespace, key);
    if (!this.enabled) return;
    await this.#store.block(subject, ms, this.defaults.storeTimeout);
    this.#limiter.denials.drop(subject);
  }

  /** @throws StoreUnavailableError */
  async reset(call: LimitCall, keys: readonly string[]): Promise<void> {
    const { subject } = call;
    if (!this.enabled) return;
    const { denials, fallback } = this.#limiter;
    denials.drop(subject);
    await fallback.reset(subject, keys);
    await this.#store.reset(subject, keys, this.defaults.storeTimeout);
    denials.drop(subject);
  }

  /** For decorators: an error that the caller does not see. */
  report(operation: string, method: MethodLabel, error: unknown): void {
    this.#events.error(operation, { method }, error);
  }

  /** For the adapter: units of this subject were released or reset. */
  wake(subject: string): void {
    // guard: wake-drops-denials
    this.#limiter.denials.drop(subject);
    this.#waits.wake(subject);
  }

  /** Ends every wait, and releases the slots. */
  async close(): Promise<void> {
    this.#waits.close();
    await this.#slots.releaseAll();
    this.#limiter.releases.close();
  }

  /** A dry run: what the limit would decide is published, and never changes what happens to the call. */
  async #observe(call: LimitCall): Promise<void> {
    try {
      await this.decide(call, {}, false);
    } catch (error) {
      // The rate limiter has reported it.
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

  /** Units and slots in one request. Never rejects, so that the caller sees the error of the work. */
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
