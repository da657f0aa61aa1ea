import { nodeCrypto } from '../shared/builtin-modules.js';
import type { Key } from '../keys/key.js';
import type { Decision } from '../ports/decision.js';
import { describe } from '../shared/describe.js';
import { milliseconds, type Duration } from '../shared/duration.js';
import { OptionsError } from '../shared/errors.js';
import type { KeyContext } from '../keys/context.js';
import { logicalKey } from '../keys/key.js';
import { rateRuleKey } from '../keys/store-keys.js';
import type { LimitCall } from './limit-call.js';
import type { LimitEngine } from './limit-engine.js';
import {
  consumeOptions,
  limitOptions,
  runOptions,
  type ConsumeOptions,
  type LimitOptions,
  type RunOptions,
} from './limit-options.js';
import { parseOptions, type ParsedOptions } from '../shared/option-schema.js';
import { checkUnits, resolveRules, type Rule, type RuleSet } from './rules.js';

type Rules = Rule | readonly Rule[];

const MAX_BLOCK_MS = 365 * 86_400_000;

/**
 * The plain verbs behind `@RateLimited`: `caching.limits`.
 *
 * @example
 * const decision = await caching.limits.consume(`api:${user.id}`, { limit: 100, per: '1m' });
 * if (!decision.allowed) throw new Error(`Try again in ${decision.retryAfterMs} ms.`);
 */
export class Limits {
  readonly #engine: LimitEngine;
  readonly #context: KeyContext | undefined;

  /** @internal made by `new Caching(...)` */
  constructor(engine: LimitEngine, context?: KeyContext) {
    this.#engine = engine;
    this.#context = context;
  }

  /**
   * Takes units if all rules have room for them, in one round trip. A refusal is a value, not an error. For `concurrency`
   * rules use `run`.
   *
   * @throws OptionsError for invalid rules or options, a `concurrency` rule, and a cost over the burst of a rule
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer and `onUnavailable` is `'deny'`
   * @throws the reason of `signal`
   * @see G9, G10 in docs/coherence.md
   * @example
   * const { allowed, remaining } = await caching.limits.consume('api:42', { limit: 100, per: '1m' }, { cost: 5 });
   */
  async consume(key: Key, rules: Rules, options: ConsumeOptions = {}): Promise<Decision> {
    const parsed = parseOptions(consumeOptions, options, 'consume');
    const { cost = 1, requestId, wait, signal } = parsed;
    const set = windowsOnly(resolveRules(rules, 'consume'), 'consume');
    const call = this.#call('consume', key, set, parsed, { cost, requestId });
    return this.#engine.decide(call, { wait, signal });
  }

  /**
   * Returns the decision about one unit without taking it. Publishes no `limit` event.
   *
   * @throws OptionsError for invalid rules or options
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer and `onUnavailable` is `'deny'`
   * @example
   * const { remaining } = await caching.limits.peek('api:42', { limit: 100, per: '1m' });
   */
  async peek(key: Key, rules: Rules, options: LimitOptions = {}): Promise<Decision> {
    return this.#engine.decideQuietly(
      this.#call('peek', key, resolveRules(rules, 'peek'), parseOptions(limitOptions, options, 'peek'), {
        cost: 0,
      }),
    );
  }

  /**
   * Runs `work` if all rules have room, and returns its result. Holds a slot of each `concurrency` rule while it runs.
   *
   * @throws RateLimitExceededError if a rule refuses
   * @throws OptionsError for invalid rules or options, and a cost over the burst of a rule
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer and `onUnavailable` is `'deny'`
   * @throws the reason of `signal`; what `work` throws
   * @see G9, G10 in docs/coherence.md
   * @example
   * const report = await caching.limits.run('reports', { algorithm: 'concurrency', limit: 3 }, () => buildReport());
   */
  async run<T>(key: Key, rules: Rules, work: () => Promise<T> | T, options: RunOptions = {}): Promise<T> {
    const parsed = parseOptions(runOptions, options, 'run');
    if (typeof work !== 'function') {
      throw new OptionsError(`run takes a function to run, and ${describe(work)} was given.`);
    }
    const { cost = 1, requestId, wait, signal, refundOnError, dryRun } = parsed;
    const call = this.#call('run', key, resolveRules(rules, 'run'), parsed, { cost, requestId });
    return this.#engine.run(call, { wait, signal, refundOnError, dryRun }, work);
  }

  /**
   * Takes units even without room, for example after a failed login. The usage may then exceed the limit.
   *
   * @param units a whole number from 0 to 1,000,000,000
   * @throws OptionsError for invalid units, rules or options, and a `concurrency` rule
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer and `onUnavailable` is `'deny'`
   * @example
   * await caching.limits.penalty(['login', ip], { limit: 5, per: '15m' }, 2);
   */
  async penalty(key: Key, rules: Rules, units = 1, options: LimitOptions = {}): Promise<Decision> {
    return this.#engine.decideQuietly(this.#forced('penalty', key, rules, units, options));
  }

  /**
   * Refunds units: those of the `consume` with the same `requestId` first. The usage does not go below 0. (Other libraries
   * call it `reward`.)
   *
   * @param units a whole number from 0 to 1,000,000,000
   * @throws OptionsError for invalid units, rules or options, and a `concurrency` rule
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer and `onUnavailable` is `'deny'`
   * @example
   * await caching.limits.refund('api:42', { limit: 100, per: '1m' }, 5);
   */
  async refund(
    key: Key,
    rules: Rules,
    units = 1,
    options: LimitOptions & { readonly requestId?: string | undefined } = {},
  ): Promise<void> {
    const { requestId, ...limitOptions } = options;
    await this.#engine.refund(this.#forced('refund', key, rules, units, limitOptions, requestId));
  }

  /**
   * Refuses every call with this key, under any rules, until the duration has passed or `reset` is called.
   *
   * @param duration from 1 ms to 1 year (365 days)
   * @throws OptionsError for an invalid duration
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer
   * @example
   * await caching.limits.block(['login', ip], '1h');
   */
  async block(key: Key, duration: Duration): Promise<void> {
    const ms = milliseconds(duration, 'duration of block', { min: 1, max: MAX_BLOCK_MS });
    await this.#engine.block(this.#keyOf(key, 'block'), ms);
  }

  /**
   * Removes the usage of these rules, and the block of the key.
   *
   * @throws OptionsError for invalid rules
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer
   * @example
   * await caching.limits.reset(['login', ip], { limit: 5, per: '15m' });
   */
  async reset(key: Key, rules: Rules): Promise<void> {
    const set = resolveRules(rules, 'reset');
    const call = this.#call('reset', key, set, {}, { cost: 0 });
    await this.#engine.reset(
      call,
      set.rules.map(({ name }) => rateRuleKey(call.subject, name)),
    );
  }

  #keyOf(key: Key, label: string): string {
    const text = logicalKey(key, label);
    return this.#context === undefined ? text : this.#context.read(label).key(text);
  }

  #call(
    label: string,
    key: Key,
    rules: RuleSet,
    options: ParsedOptions<typeof limitOptions>,
    { cost, requestId, force }: { cost: number; requestId?: string | undefined; force?: boolean },
  ): LimitCall {
    return this.#engine.call(
      {
        key: this.#keyOf(key, label),
        method: undefined,
        rules,
        policy: this.#engine.policy(options),
        cost,
        requestToken: requestId === undefined ? undefined : requestToken(requestId, rules, label),
        force,
      },
      label,
    );
  }

  #forced(label: string, key: Key, rules: Rules, units: number, options: LimitOptions, requestId?: string) {
    const cost = checkUnits(units, `units of ${label}`);
    const set = windowsOnly(resolveRules(rules, label), label);
    return this.#call(label, key, set, parseOptions(limitOptions, options, label), {
      cost,
      requestId,
      force: true,
    });
  }
}

function windowsOnly(rules: RuleSet, label: string): RuleSet {
  const [concurrency] = rules.concurrencyRules;
  if (concurrency === undefined) return rules;
  throw new OptionsError(
    `${label} has the rule '${concurrency.name}', which holds a slot while a call runs. Use run(key, rules, work).`,
  );
}

/**
 * The token of a request with an id: the same for the same id and rules in every process, and different for other rules of
 * the same key.
 *
 * @throws OptionsError for an invalid id, and with a `concurrency` rule
 */
function requestToken(requestId: string, { rules, concurrencyRules }: RuleSet, label: string): string {
  if (typeof requestId !== 'string' || requestId === '') {
    throw new OptionsError(
      `requestId of ${label} is a string of one character or more, and ${describe(requestId)} was given.`,
    );
  }
  if (concurrencyRules.length > 0) {
    throw new OptionsError(
      `${label} has a requestId and the rule '${concurrencyRules[0]!.name}', which holds a slot while a call runs: two ` +
        'calls cannot share it. Remove one of the two.',
    );
  }
  // As JSON, in which different lone surrogates stay different.
  return nodeCrypto()
    .createHash('sha256')
    .update(JSON.stringify([requestId, rules.map(({ name }) => name).join(',')]))
    .digest('base64url');
}
