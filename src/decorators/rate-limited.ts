import { KeyError } from '../core/errors.js';
import { logicalKey } from '../core/key.js';
import { limitNames } from '../core/limits/limit-options.js';
import { checkNames } from '../core/options.js';
import { around, callAsync, type AsyncMethodDecorator } from './around.js';
import { checkFunction, checkMethodName } from './check-options.js';
import { keyMaker, type KeyOption } from './key-maker.js';
import { MethodId } from './method-id.js';
import type { RateLimitedOptions } from './rate-limited-options.js';
import { checkSource, resolveCaching, type CachingSource } from './resolve.js';
import { inlineNames, rulesMaker, type RulesOptions } from './rules-maker.js';
import { runOptionsMaker, type CallOptions } from './run-options-maker.js';

const NAMES = [
  ...[
    'key',
    ...inlineNames,
    'rules',
    'cost',
    'when',
    'onExceeded',
    'wait',
    'signal',
    'refundOnError',
    'dryRun',
  ],
  ...[...limitNames, 'name', 'cache'],
];

interface AnyOptions extends RulesOptions, CallOptions {
  readonly key?: KeyOption;
  readonly when?: ((this: unknown, ...args: readonly unknown[]) => boolean) | undefined;
  readonly name?: string | undefined;
  readonly cache?: CachingSource<unknown> | undefined;
}

/**
 * Lets so many calls of the method through as its rules have room for, in all processes together. The others
 * reject with a RateLimitExceededError, which says when to come again, and the method does not run.
 *
 * @throws DecorationError, OptionsError while the class is defined; its calls reject with RateLimitExceededError,
 * KeyError, and with a StoreUnavailableError under `onUnavailable: 'deny'`
 * @example
 * @RateLimited({ key: 'login:{0.ip}', limit: 5, per: '1m' })
 * async login(request: { ip: string }, password: string): Promise<Session> { ... }
 */
export function RateLimited<This extends object, A extends readonly unknown[], R, const K extends string>(
  options: RateLimitedOptions<This, A, K>,
): AsyncMethodDecorator<This, A, R> {
  checkNames(options, NAMES, '@RateLimited({ ... })');
  // The types above are for the caller; from here on arguments are what they are at run time.
  const given = options as unknown as AnyOptions;
  return around('@RateLimited', (site) => {
    const at = `@RateLimited on ${String(site.name)}`;
    checkFunction('when', given.when, at);
    checkMethodName(given.name, at);
    checkSource(given.cache, at);
    const id = new MethodId('@RateLimited', site, given.name, given.key === undefined ? 'limit' : undefined);
    const keyOf = keyMaker(given.key, at) ?? ((self) => logicalKey(id.inKeys(self), `key of ${at}`));
    const optionsOf = runOptionsMaker(given, at);
    const rulesOf = rulesMaker(given, at);
    return async (self, args, original) => {
      const caching = resolveCaching(self, given.cache, () => id.where(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => id.where(self));
      if (!caching.enabled || (given.when !== undefined && !given.when.apply(self, args))) return run();
      let key: string;
      try {
        key = keyOf(self, args);
      } catch (error) {
        if (!(error instanceof KeyError) || given.dryRun !== true) throw error;
        caching.engine.report('key', id.of(self), error);
        return run();
      }
      return caching.limits.runAs(id.of(self), key, rulesOf(self, args), run, optionsOf(self, args));
    };
  });
}
