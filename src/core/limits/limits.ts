import type { Key } from '../cache.js';
import { decideAllowed } from './decide.js';
import type { Decision } from './decision.js';
import { describe } from '../describe.js';
import { milliseconds, type Duration } from '../duration.js';
import { OptionsError } from '../errors.js';
import { logicalKey, rateRuleKey, rateSubject } from '../key.js';
import type { LimitCall } from './limit-call.js';
import { LimitJudge } from './limit-judge.js';
import {
  checkRunOptions,
  checkSignal,
  consumeNames,
  limitNames,
  resolveLimitDefaults,
  resolveLimitPolicy,
  runNames,
  type ConsumeOptions,
  type LimitOptions,
  type LimitPolicy,
  type RunOptions,
} from './limit-options.js';
import { LimitRuns } from './limit-runs.js';
import { checkNames } from '../options.js';
import type { Clock, RateStore } from '../ports.js';
import { checkUnits, type Rule } from './rate-rules.js';
import { Reporter } from '../reporter.js';
import { requestToken } from './request-token.js';
import { checkRoom, ruleSet, type RuleSet } from './rule-set.js';

export interface LimitsSetup {
  readonly namespace: string;
  readonly store: RateStore;
  readonly clock: Clock;
  readonly defaults: LimitOptions;
  readonly enabled: boolean;
}

type Rules = Rule | readonly Rule[];

/** The plain verbs behind `@RateLimited`. */
export class Limits {
  readonly #namespace: string;
  readonly #store: RateStore;
  readonly #enabled: boolean;
  readonly #defaults: LimitPolicy;
  readonly #judge: LimitJudge;
  readonly #runs: LimitRuns;

  /** @internal made by `new Caching(...)` */
  constructor({ namespace, store, clock, defaults, enabled }: LimitsSetup) {
    this.#namespace = namespace;
    this.#store = store;
    this.#enabled = enabled;
    this.#defaults = resolveLimitDefaults(defaults);
    const reporter = new Reporter(namespace);
    this.#judge = new LimitJudge(store, clock, reporter, (subject) => this.wake(subject));
    this.#runs = new LimitRuns(this.#judge, clock, reporter);
  }

  /**
   * Takes units if all rules have room for them. Not for `concurrency` rules: see `run`.
   * @throws OptionsError; StoreUnavailableError under the policy `deny`; the signal's reason
   */
  async consume(key: Key, rules: Rules, options?: ConsumeOptions): Promise<Decision> {
    if (options !== undefined) checkNames(options, consumeNames, 'consume');
    const set = windowsOnly(ruleSet(rules, 'consume'), 'consume');
    const call = this.#call(logicalKey(key, 'consume'), undefined, set, options, 'consume');
    if (!this.#enabled) return decideAllowed(set, 'none');
    return await this.#runs.decide(call, options, true, 'consume');
  }

  /**
   * What `consume` would say to one unit. Takes nothing.
   * @throws OptionsError; StoreUnavailableError under the policy `deny`
   */
  async peek(key: Key, rules: Rules, options: LimitOptions = {}): Promise<Decision> {
    const where = 'peek';
    checkNames(options, limitNames, where);
    const looking = { ...options, cost: 0 };
    return this.#judged(this.#call(logicalKey(key, where), undefined, ruleSet(rules, where), looking, where));
  }

  /**
   * Runs `work` if the rules have room, holding a slot of each `concurrency` rule for as long as it runs.
   * @throws RateLimitExceededError; OptionsError; StoreUnavailableError under the policy `deny`; the signal's reason
   */
  async run<T>(key: Key, rules: Rules, work: () => Promise<T> | T, options: RunOptions = {}): Promise<T> {
    const where = 'run';
    checkNames(options, runNames, where);
    if (typeof work !== 'function') {
      throw new OptionsError(`${where} takes a function to run, and ${describe(work)} was given.`);
    }
    checkRunOptions(options, where);
    return this.#run(logicalKey(key, where), undefined, rules, work, options, where);
  }

  /** @internal `run` for `@RateLimited`, which has rendered the key and checked the names of the options */
  async runAs<T>(
    method: string,
    key: string,
    rules: Rules,
    work: () => Promise<T> | T,
    options: RunOptions,
  ): Promise<T> {
    return this.#run(key, method, rules, work, options, `@RateLimited on ${method}`);
  }

  /**
   * Takes units whatever the rules say: less than nothing may remain.
   * @throws OptionsError; StoreUnavailableError under the policy `deny`
   */
  async penalty(key: Key, rules: Rules, units = 1, options: LimitOptions = {}): Promise<Decision> {
    const where = 'penalty';
    checkNames(options, limitNames, where);
    checkUnits(units, `units of ${where}`, 0);
    const set = windowsOnly(ruleSet(rules, where), where);
    const call = this.#call(logicalKey(key, where), undefined, set, { ...options, cost: units }, where, true);
    return this.#judged(call);
  }

  /**
   * Gives units back that were not taken by this call: a bonus. Never more than the limit remain.
   * @throws OptionsError; StoreUnavailableError under the policy `deny`
   */
  async reward(key: Key, rules: Rules, units = 1, options: LimitOptions = {}): Promise<void> {
    checkNames(options, limitNames, 'reward');
    await this.#give(key, rules, units, options, 'reward');
  }

  /**
   * Gives back what a call took: the units of a `consume` with the same `requestId` first.
   * @throws OptionsError; StoreUnavailableError under the policy `deny`
   */
  async refund(
    key: Key,
    rules: Rules,
    units = 1,
    options: LimitOptions & { readonly requestId?: string | undefined } = {},
  ): Promise<void> {
    checkNames(options, [...limitNames, 'requestId'], 'refund');
    await this.#give(key, rules, units, options, 'refund');
  }

  /**
   * Refuses everything for this key for a time, whatever the rules. `reset` ends it.
   * @throws OptionsError, StoreUnavailableError
   */
  async block(key: Key, duration: Duration): Promise<void> {
    const ms = milliseconds(duration, 'duration of block', { min: 1, max: LONGEST_BLOCK });
    const subject = rateSubject(this.#namespace, logicalKey(key, 'block'));
    if (!this.#enabled) return;
    await this.#store.block(subject, ms, this.#defaults.budget);
    this.#judge.refusals.drop(subject);
  }

  /**
   * Forgets what was counted, and the block.
   * @throws OptionsError, StoreUnavailableError
   */
  async reset(key: Key, rules: Rules): Promise<void> {
    const subject = rateSubject(this.#namespace, logicalKey(key, 'reset'));
    const keys = ruleSet(rules, 'reset').rules.map(({ name }) => rateRuleKey(subject, name));
    if (!this.#enabled) return;
    this.#judge.refusals.drop(subject);
    await this.#judge.fallback.store.reset(subject, keys);
    await this.#store.reset(subject, keys, this.#defaults.budget);
    this.#judge.refusals.drop(subject);
  }

  /** @internal for the adapter: something changed for this subject */
  wake(subject: string): void {
    this.#judge.refusals.drop(subject);
    this.#runs.wake(subject);
  }

  /** @internal Ends what waits, and gives slots back. */
  async close(): Promise<void> {
    await this.#runs.close();
  }

  async #run<T>(
    key: string,
    method: string | undefined,
    rules: Rules,
    work: () => Promise<T> | T,
    options: RunOptions,
    where: string,
  ): Promise<T> {
    const call = this.#call(key, method, ruleSet(rules, where), options, where);
    return this.#enabled ? this.#runs.run(call, options, work, where) : work();
  }

  /** @throws OptionsError */
  #call(
    key: string,
    method: string | undefined,
    set: RuleSet,
    options: ConsumeOptions | undefined,
    where: string,
    forced = false,
  ): LimitCall {
    const { cost = 1, requestId, signal } = options ?? NONE;
    checkCost(cost, where);
    checkSignal(signal, where);
    if (!forced) checkRoom(cost, set, where);
    return {
      key,
      subject: rateSubject(this.#namespace, key),
      method,
      set,
      policy: options === undefined ? this.#defaults : resolveLimitPolicy(options, this.#defaults, where),
      cost,
      requestToken: requestId === undefined ? undefined : requestToken(requestId, set, where),
      forced,
      taken: undefined,
    };
  }

  async #judged(call: LimitCall): Promise<Decision> {
    if (!this.#enabled) return decideAllowed(call.set, 'none');
    return this.#judge.known(call) ?? this.#judge.ask(call);
  }

  async #give(key: Key, rules: Rules, units: number, options: ConsumeOptions, where: string): Promise<void> {
    checkUnits(units, `units of ${where}`, 0);
    const set = windowsOnly(ruleSet(rules, where), where);
    const call = this.#call(logicalKey(key, where), undefined, set, { ...options, cost: units }, where, true);
    if (this.#enabled && units > 0) await this.#judge.giveBack(call);
  }
}

const NONE: ConsumeOptions = {};
const LONGEST_BLOCK = 365 * 86_400_000;

/** @throws OptionsError unless it is a number of units */
function checkCost(cost: unknown, where: string): void {
  if (cost !== 1) checkUnits(cost, `cost of ${where}`, 0);
}

function windowsOnly(set: RuleSet, where: string): RuleSet {
  const [slots] = set.slots;
  if (slots === undefined) return set;
  throw new OptionsError(
    `${where} has the rule '${slots.name}', which holds a slot while a call runs. Use run(key, rules, work).`,
  );
}
