import { KeyError, OptionsError } from '../core/shared/errors.js';
import { logicalKey } from '../core/keys/key.js';
import type { LimitRunOptions } from '../core/limits/limit-engine.js';
import { consumeOptions, limitOptions } from '../core/limits/limit-options.js';
import {
  checkCost,
  checkUnits,
  concurrencyRule,
  resolveRules,
  units,
  windowRule,
  type Rule,
  type RuleSet,
} from '../core/limits/rules.js';
import {
  callback,
  duration,
  flag,
  flagOrCallback,
  oneOf,
  parseOptions,
  unchecked,
  type ParsedOptions,
  type Option,
} from '../core/shared/option-schema.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { compileKey, type KeyOption } from './shared/compile-key.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import type { RateLimitedOptions } from './rate-limited-options.js';
import { perCaching, resolveCaching } from './shared/resolve-caching.js';

type OfCall<T> = (this: unknown, ...args: readonly unknown[]) => T;

/** The options of a rule that is given on the decorator itself. */
const inlineRule = {
  limit: orFunction(units),
  rule: windowRule.name,
  algorithm: windowRule.algorithm,
  per: windowRule.per,
  burst: windowRule.burst,
  lease: concurrencyRule.lease,
};

/** The options of `@RateLimited` as a schema: names, checks and defaults. */
export const rateLimitedOptions = {
  key: unchecked<KeyOption>('a template or a function'),
  ...inlineRule,
  rules: unchecked<Rule | readonly Rule[] | OfCall<Rule | readonly Rule[]>>('rules, or a function'),
  cost: orFunction(units),
  onExceeded: oneOf(['throw', 'wait'], 'throw'),
  wait: duration(),
  signal: callback<OfCall<AbortSignal | undefined>>(),
  refundOnError: flagOrCallback<(this: unknown, error: unknown, ...args: readonly unknown[]) => boolean>(),
  dryRun: flag(false),
  ...limitOptions,
  ...decoratorOptions,
} satisfies Record<keyof RateLimitedOptions<unknown, readonly unknown[], string>, Option<unknown>>;

type GivenOptions = ParsedOptions<typeof rateLimitedOptions>;

/**
 * Lets as many calls of the method through as its rules have room for, in all processes together. The others reject with
 * a RateLimitExceededError, which says when to try again, and the method does not run.
 *
 * @throws DecorationError, OptionsError while the class is defined. Calls reject with RateLimitExceededError, KeyError,
 * a StoreUnavailableError under `onUnavailable: 'deny'`, and with what the method throws
 * @example
 * @RateLimited({ key: 'login:{0.ip}', limit: 5, per: '1m' })
 * async login(request: { ip: string }, password: string): Promise<Session> { ... }
 */
export function RateLimited<This extends object, A extends readonly unknown[], R, const K extends string>(
  options: RateLimitedOptions<This, A, K>,
): AsyncMethodDecorator<This, A, R> {
  return decorateRateLimited(options, RateLimited);
}

/** @param entry the public function that the user called */
export function decorateRateLimited<This, A extends readonly unknown[], R>(
  options: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@RateLimited', entry, (joinPoint) => {
    const at = `@RateLimited on ${String(joinPoint.name)}`;
    // The types above are for the caller; from here on arguments are what they are at run time.
    const given = parseOptions(rateLimitedOptions, options, at);
    const { when, cache, dryRun } = given;
    const name = new MethodName(
      '@RateLimited',
      joinPoint,
      given.name,
      given.key === undefined ? 'limit' : undefined,
    );
    const keyOf =
      compileKey(given.key, `key of ${at}`) ??
      ((_args: unknown[], self: unknown) => logicalKey(name.forKeys(self), `key of ${at}`));
    const where = (self: unknown): string => name.forErrors(self);
    const rulesOf = compileRules(given, options, at, where);
    const costOf = compileCost(given, where);
    const runOptionsOf = compileRunOptions(given, at);
    const policyOf = perCaching(({ engines }) => engines.limits.policy(given));
    return async (self, args, original) => {
      const caching = resolveCaching(self, cache, () => name.forErrors(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => name.forErrors(self));
      const engine = caching.engines.limits;
      if (!engine.enabled || (when !== undefined && !when.apply(self, args))) return run();
      const method = (): string => name.forEvents(self);
      let key: string;
      try {
        key = keyOf(args, self);
      } catch (error) {
        if (!(error instanceof KeyError) || dryRun !== true) throw error;
        engine.report('key', method, error);
        return run();
      }
      const request = {
        key,
        method,
        rules: rulesOf(self, args),
        policy: policyOf(caching),
        cost: costOf(self, args),
      };
      const call = engine.call(request, () => name.forErrors(self));
      return engine.run(call, runOptionsOf(self, args), run);
    };
  });
}

/** Rules that no argument changes are resolved once, here. @throws OptionsError */
function compileRules(
  given: GivenOptions,
  options: object,
  at: string,
  where: (self: unknown) => string,
): (self: unknown, args: unknown[]) => RuleSet {
  const { limit, rules, cost } = given;
  const inline = (Object.keys(inlineRule) as (keyof typeof inlineRule)[]).filter(
    (option) => given[option] !== undefined,
  );
  if (rules !== undefined) {
    if (inline.length > 0) {
      throw new OptionsError(`${at} has rules and ${inline[0]}. Give it one rule, or rules that have it.`);
    }
    if (typeof rules === 'function') {
      return (self, args) => resolveRules(rules.apply(self, args), where(self));
    }
    return fixedRules(resolveRules(rules, at), cost, at);
  }
  if (limit === undefined) {
    throw new OptionsError(
      `${at} limits nothing. Give it limit: 5, per: '1m', or rules: [{ limit: 5, per: '1m' }].`,
    );
  }
  // Only what is given: a rule of one kind does not have the options of the other.
  const { rule: ruleName, ...rest } = Object.fromEntries(
    inline.map((option) => [option, (options as Record<string, unknown>)[option]]),
  );
  const rule = ruleName === undefined ? rest : { ...rest, name: ruleName };
  if (typeof limit !== 'function') return fixedRules(resolveRules(rule as unknown as Rule, at), cost, at);
  // The rest of the rule is checked now, whatever the limit of a call will be.
  resolveRules({ ...rule, limit: 1 } as unknown as Rule, at);
  return (self, args) =>
    resolveRules({ ...rule, limit: limit.apply(self, args) } as unknown as Rule, where(self));
}

function fixedRules(rules: RuleSet, cost: GivenOptions['cost'], at: string): () => RuleSet {
  if (typeof cost === 'number') checkCost(cost, rules, at);
  return () => rules;
}

function compileCost(
  { cost = 1 }: GivenOptions,
  where: (self: unknown) => string,
): (self: unknown, args: unknown[]) => number {
  if (typeof cost !== 'function') return () => cost;
  // A function that forgets to return does not mean the default.
  return (self, args) => {
    const units = cost.apply(self, args);
    return units === 1 ? units : checkUnits(units, `cost of ${where(self)}`);
  };
}

/** One object for all calls, unless an option is a function of the arguments. */
function compileRunOptions(
  given: GivenOptions,
  at: string,
): (self: unknown, args: unknown[]) => LimitRunOptions {
  const { signal, refundOnError, dryRun } = given;
  const wait = waitOf(given, at);
  const fixed: LimitRunOptions = Object.freeze({
    wait,
    dryRun,
    refundOnError: typeof refundOnError === 'function' ? undefined : refundOnError,
  });
  if (typeof refundOnError !== 'function' && signal === undefined) return () => fixed;
  return (self, args) => ({
    ...fixed,
    ...parseOptions({ signal: consumeOptions.signal }, { signal: signal?.apply(self, args) }, at),
    refundOnError:
      typeof refundOnError === 'function'
        ? (error) => refundOnError.apply(self, [error, ...args])
        : refundOnError,
  });
}

/** How long a call waits for capacity. @throws OptionsError unless `onExceeded: 'wait'` and `wait` come together */
function waitOf({ onExceeded, wait, signal }: GivenOptions, at: string): number | undefined {
  if (onExceeded === 'wait') {
    if (wait !== undefined) return wait;
    throw new OptionsError(`${at} has onExceeded: 'wait' and does not say how long. Give it wait: '2s'.`);
  }
  const other = wait !== undefined ? 'wait' : signal !== undefined ? 'signal' : undefined;
  if (other === undefined) return undefined;
  throw new OptionsError(`${at} has ${other}, and does not wait. Give it onExceeded: 'wait'.`);
}

function orFunction<Value>(option: Option<Value>): Option<Value | OfCall<NonNullable<Value>>> {
  return {
    accepts: `${option.accepts}, or a function that returns one`,
    default: option.default,
    read: (given) =>
      typeof given === 'function' ? (given as OfCall<NonNullable<Value>>) : option.read(given),
  };
}
