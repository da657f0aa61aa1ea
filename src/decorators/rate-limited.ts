import { KeyError, MissingContextError, OptionsError } from '../core/shared/errors.js';
import { KeyContext } from '../core/keys/context.js';
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
import { perClass } from './shared/class-defaults.js';
import { compileKey, type KeyOption } from './shared/compile-key.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import type { RateLimitedOptions } from './rate-limited-options.js';
import { perCaching, resolveCaching } from './shared/resolve-caching.js';

type OfCall<T> = (this: unknown, ...args: readonly unknown[]) => T;

/** The schema of a rule that is given on the decorator itself. */
const inlineRule = {
  limit: orFunction(units),
  rule: windowRule.name,
  algorithm: windowRule.algorithm,
  per: windowRule.per,
  burst: windowRule.burst,
  lease: concurrencyRule.lease,
};

/** The schema of `RateLimitedOptions`: names, checks and defaults. */
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

type Options = ParsedOptions<typeof rateLimitedOptions>;

/**
 * Limits the rate of calls of the method for a key, across all processes. A call that exceeds the limit rejects with a
 * RateLimitExceededError, which has `retryAfterMs`, and the method does not run.
 *
 * @throws DecorationError, OptionsError while the class is defined
 * @throws RateLimitExceededError (rejection) if a rule refuses the call
 * @throws StoreUnavailableError (rejection) if the store does not answer, and `onUnavailable` is `'deny'`
 * @throws KeyError (rejection) if the call has no valid key
 * @throws OptionsError (rejection) if a function in the options returns an invalid limit, cost or signal
 * @throws MissingCachingError (rejection) if no `Caching` is found
 * @throws MissingContextError (rejection) if a part of the context that the key must have is not set
 * @throws (rejection) the reason of the signal, and the errors of the method
 * @see G9 in docs/coherence.md
 * @example
 * @RateLimited({ key: 'login:{0.ip}', limit: 5, per: '1m' })
 * async login(request: { ip: string }, password: string): Promise<Session> { ... }
 */
export function RateLimited<This extends object, A extends readonly unknown[], R, const K extends string>(
  options: RateLimitedOptions<This, A, K>,
): AsyncMethodDecorator<This, A, R> {
  return decorateRateLimited(options, RateLimited);
}

/**
 * `@RateLimited` without the types of its options.
 *
 * @param entry the public function that the user called
 */
export function decorateRateLimited<This, A extends readonly unknown[], R>(
  rawOptions: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@RateLimited', entry, (joinPoint) => {
    const label = `@RateLimited on ${String(joinPoint.name)}`;
    const options = parseOptions(rateLimitedOptions, rawOptions, label);
    const { when, dryRun } = options;
    const name = new MethodName(
      '@RateLimited',
      joinPoint,
      options.name,
      options.key === undefined ? 'limit' : undefined,
    );
    const keyOf =
      compileKey(options.key, `key of ${label}`) ??
      ((_args: unknown[], self: unknown) => logicalKey(name.forKeys(self), `key of ${label}`));
    const labelOf = (self: unknown): string => name.forErrors(self);
    const rulesOf = compileRules(options, rawOptions, label, labelOf);
    const costOf = compileCost(options, labelOf);
    const runOptionsOf = compileRunOptions(options, label);
    const planOf = perClass(joinPoint, (defaults) => ({
      cache: options.cache ?? defaults.cache,
      setupOf: perCaching(({ engines, context }) => ({
        policy: engines.limits.policy(options),
        context: KeyContext.for(context, options.context ?? defaults.context),
      })),
    }));
    return async (self, args, original) => {
      const { cache, setupOf } = planOf(self);
      const caching = resolveCaching(self, cache, name);
      const run = (): Promise<unknown> => callAsync(original, self, args, name);
      const engine = caching.engines.limits;
      if (!engine.enabled || (when !== undefined && !when.apply(self, args))) return run();
      const method = (): string => name.forEvents(self);
      const { policy, context } = setupOf(caching);
      let key: string;
      try {
        key = keyOf(args, self);
        if (context !== undefined) key = context.read(() => name.forErrors(self)).key(key);
      } catch (error) {
        const hasNoKey = error instanceof KeyError || error instanceof MissingContextError;
        if (!hasNoKey || dryRun !== true) throw error;
        engine.report('key', method, error);
        return run();
      }
      const request = {
        key,
        method,
        rules: rulesOf(self, args),
        policy,
        cost: costOf(self, args),
      };
      const call = engine.call(request, () => name.forErrors(self));
      return engine.run(call, runOptionsOf(self, args), run);
    };
  });
}

/**
 * Resolves the rules once if they do not depend on the arguments.
 *
 * @param label names the decorator in errors while the class is defined
 * @param labelOf names the method in errors of a call
 * @throws OptionsError
 */
function compileRules(
  options: Options,
  rawOptions: object,
  label: string,
  labelOf: (self: unknown) => string,
): (self: unknown, args: unknown[]) => RuleSet {
  const { limit, rules, cost } = options;
  const inline = (Object.keys(inlineRule) as (keyof typeof inlineRule)[]).filter(
    (option) => options[option] !== undefined,
  );
  if (rules !== undefined) {
    if (inline.length > 0) {
      throw new OptionsError(
        `${label} has both rules and ${inline[0]}. Give it one rule, or move ${inline[0]} into its rules.`,
      );
    }
    if (typeof rules === 'function') {
      return (self, args) => resolveRules(rules.apply(self, args), labelOf(self));
    }
    return fixedRules(resolveRules(rules, label), cost, label);
  }
  if (limit === undefined) {
    throw new OptionsError(
      `${label} limits nothing. Give it limit: 5, per: '1m', or rules: [{ limit: 5, per: '1m' }].`,
    );
  }
  // Pass on only the options that were given: a rule of one kind does not accept those of the other.
  const { rule: ruleName, ...rest } = Object.fromEntries(
    inline.map((option) => [option, (rawOptions as Record<string, unknown>)[option]]),
  );
  const rule = ruleName === undefined ? rest : { ...rest, name: ruleName };
  if (typeof limit !== 'function') {
    return fixedRules(resolveRules(rule as unknown as Rule, label), cost, label);
  }
  // Check the rest of the rule now; the limit is known only in a call.
  resolveRules({ ...rule, limit: 1 } as unknown as Rule, label);
  return (self, args) =>
    resolveRules({ ...rule, limit: limit.apply(self, args) } as unknown as Rule, labelOf(self));
}

function fixedRules(rules: RuleSet, cost: Options['cost'], label: string): () => RuleSet {
  if (typeof cost === 'number') checkCost(cost, rules, label);
  return () => rules;
}

function compileCost(
  { cost = 1 }: Options,
  labelOf: (self: unknown) => string,
): (self: unknown, args: unknown[]) => number {
  if (typeof cost !== 'function') return () => cost;
  // A function that returns undefined is an error and not the default: it may have forgotten to return.
  return (self, args) => {
    const units = cost.apply(self, args);
    return units === 1 ? units : checkUnits(units, `cost of ${labelOf(self)}`);
  };
}

/** Returns one object for all calls, unless an option is a function of the arguments. */
function compileRunOptions(
  options: Options,
  label: string,
): (self: unknown, args: unknown[]) => LimitRunOptions {
  const { signal, refundOnError, dryRun } = options;
  const wait = waitOf(options, label);
  const fixed: LimitRunOptions = Object.freeze({
    wait,
    dryRun,
    refundOnError: typeof refundOnError === 'function' ? undefined : refundOnError,
  });
  if (typeof refundOnError !== 'function' && signal === undefined) return () => fixed;
  return (self, args) => ({
    ...fixed,
    ...parseOptions({ signal: consumeOptions.signal }, { signal: signal?.apply(self, args) }, label),
    refundOnError:
      typeof refundOnError === 'function'
        ? (error) => refundOnError.apply(self, [error, ...args])
        : refundOnError,
  });
}

/**
 * Returns for how many ms a call waits for capacity; undefined: it does not wait.
 *
 * @throws OptionsError if only one of `onExceeded: 'wait'` and `wait` is given, or a signal without them
 */
function waitOf({ onExceeded, wait, signal }: Options, label: string): number | undefined {
  if (onExceeded === 'wait') {
    if (wait !== undefined) return wait;
    throw new OptionsError(
      `${label} has onExceeded: 'wait' without wait. Give it how long to wait: wait: '2s'.`,
    );
  }
  const other = wait !== undefined ? 'wait' : signal !== undefined ? 'signal' : undefined;
  if (other === undefined) return undefined;
  throw new OptionsError(
    `${label} has ${other} without onExceeded: 'wait', so no call waits. Give it onExceeded: 'wait'.`,
  );
}

/** Accepts a function of the arguments, too. Its results are checked in each call. */
function orFunction<Value>(option: Option<Value>): Option<Value | OfCall<NonNullable<Value>>> {
  return {
    accepts: `${option.accepts}, or a function that returns one`,
    default: option.default,
    read: (value) =>
      typeof value === 'function' ? (value as OfCall<NonNullable<Value>>) : option.read(value),
  };
}
