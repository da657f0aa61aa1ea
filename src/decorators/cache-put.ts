import type { Key } from '../core/cache/cache.js';
import {
  cacheOptions,
  safeDuration,
  type CacheOptions,
  type OnUnavailable,
} from '../core/cache/cache-options.js';
import { runUncached } from '../core/cache/load-context.js';
import { resultTtlOf, ttlOrFunction } from '../core/cache/result-ttl.js';
import { valueOptions, type ValueOptions } from '../core/cache/value-options.js';
import { callback, oneOf, parseOptions, unchecked, type Option } from '../core/shared/option-schema.js';
import type { Duration } from '../core/shared/duration.js';
import { OptionsError } from '../core/shared/errors.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { cachePlan } from './shared/cache-plan.js';
import { compileKey, type KeyOption } from './shared/compile-key.js';
import { argumentTagsOf, type AnyTags } from './shared/compile-tags.js';
import { decoratorOptions } from './shared/decorator-options.js';
import type { Template } from './shared/key-template-type.js';
import { MethodName } from './shared/method-name.js';
import { resolveCaching, type CachingSource } from './shared/resolve-caching.js';

/** The options of `@CachePut`. Defaults are those of `defaults` of `new Caching`. */
export interface CachePutOptions<This, A extends readonly unknown[], R, K extends string, T extends string>
  extends Omit<CacheOptions, 'ttl'>, ValueOptions<R> {
  /**
   * How long the result may be returned, counted from the start of the method: 1 ms or more. Or a function of the result and
   * the arguments that returns it; 0: the result is not stored.
   * @default that of the class or of the `Caching`
   */
  readonly ttl?: Duration | NoInfer<(this: This, result: R, ...args: A) => Duration> | undefined;
  /**
   * The logical key of the entry: a template of the arguments, or a function of them. Give it the key of the `@Cached` method
   * that reads the value. A key that is known only from the result cannot be put: invalidate it.
   */
  readonly key: Template<K, A> | NoInfer<(this: This, ...args: A) => Key>;
  /** Labels by which entries can be invalidated together: templates, or a function of the result and the arguments. */
  readonly tags?:
    | Template<T, A>
    | readonly Template<T, A>[]
    | NoInfer<(this: This, result: R, ...args: A) => readonly string[]>
    | undefined;
  /** Tags that have no parts of the context, as fixed names (docs/context.md). @default none */
  readonly sharedTags?: readonly string[] | undefined;
  /** A function of the arguments. If it returns false, the call runs the method, and changes no entry. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** A function of the result and the arguments. If it returns true, the result is not stored: the entry is invalidated. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * What to do if the store confirms neither the new entry nor an invalidation. `queue`: the call returns the result, and the
   * invalidation is retried in the background. `throw`: the same, but the call rejects with an InvalidationError that has the
   * result. With `safe`: if the store does not confirm the mark, the method does not run.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /**
   * Makes the put survive the death of this process: 1 s to 1 h, such as `'30s'`. The entry is marked before the method, in the
   * same round trip: until it has ended, every process loads it and stores nothing. If the method fails, what was stored is valid
   * again. If the process dies, the mark ends after this time, and the entry with it.
   * @default no mark: if the process dies between a commit and the put, the old value is returned until its ttl ends
   */
  readonly safe?: Duration | undefined;
  /** Parts of the context that the key has, or false (docs/context.md). @default those of the `Caching` */
  readonly context?: readonly string[] | false | undefined;
  /** Replaces class and method name in events. @default class and method name: `Users.replace` */
  readonly name?: string | undefined;
  /** The `Caching` to use, or a function of the instance that returns it. @default found through the container */
  readonly cache?: CachingSource<This> | undefined;
}

/** The schema of `CachePutOptions`: names, checks and defaults. */
export const cachePutOptions = {
  key: unchecked<KeyOption>('a template or a function'),
  tags: unchecked<AnyTags>('templates or a function'),
  ...cacheOptions,
  ...valueOptions,
  ...decoratorOptions,
  ttl: ttlOrFunction,
  unless: callback<(this: unknown, result: unknown, ...args: readonly unknown[]) => boolean>(),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
  safe: safeDuration,
} satisfies Record<
  keyof CachePutOptions<unknown, readonly unknown[], unknown, string, string>,
  Option<unknown>
>;

/**
 * Runs the method, and stores its result in place of the entry, so that the next call of the `@Cached` method with this key
 * finds it. Loads that are in progress are not stored any more.
 *
 * If another put or an invalidation of the key arrives while the method runs, the order of the writes is not known: then the
 * entry is invalidated, and the next call loads it. So it is if the result is not stored for another reason. If the method
 * fails, nothing is changed. With `safe`, the entry is marked while the method runs: no process reads or stores it, and if this
 * process dies, the old value ends with the mark.
 *
 * @throws DecorationError, OptionsError while the class is defined
 * @throws KeyError, MissingCachingError, MissingContextError (rejection) before the method runs
 * @throws InvalidationError (rejection), which has the result, if the result cannot be stored: `tags` or `unless` throws, or it
 * would not be read back equal, unless `onUnsupported` is `'bypass'`; and if the store does not answer, under
 * `onUnavailable: 'throw'`
 * @throws (rejection) the errors of the method and of `when`
 * @see G1, G11, G12 in docs/coherence.md
 * @example
 * @CachePut({ key: 'user:{0.id}', ttl: '15m' })
 * async replace(user: User): Promise<User> { ... }
 */
export function CachePut<
  This extends object,
  A extends readonly unknown[],
  R,
  const K extends string,
  const T extends string,
>(options: CachePutOptions<This, A, R, K, T>): AsyncMethodDecorator<This, A, R> {
  return decorateCachePut(options, CachePut);
}

/** `@CachePut` without the types of its options. @param entry the public function that the user called */
export function decorateCachePut<This, A extends readonly unknown[], R>(
  rawOptions: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@CachePut', entry, (joinPoint) => {
    const label = `@CachePut on ${String(joinPoint.name)}`;
    const options = parseOptions(cachePutOptions, rawOptions, label);
    const { when, unless, ttl, onUnavailable = 'queue', safe } = options;
    const keyOf = compileKey(options.key, `key of ${label}`);
    if (keyOf === undefined) {
      throw new OptionsError(
        `${label} needs a key, that of the @Cached method which reads the value: key: 'user:{0}'.`,
      );
    }
    const name = new MethodName('@CachePut', joinPoint, options.name, undefined);
    const planOf = cachePlan(joinPoint, options, label);
    return async (self, args, original) => {
      const plan = planOf(self);
      const { context, engine, policy } = plan.setupOf(resolveCaching(self, plan.cache, name));
      const run = (): Promise<unknown> => callAsync(original, self, args, name);
      if (when !== undefined && !when.apply(self, args)) return runUncached(run);
      const parts = context?.read(() => name.forErrors(self));
      const key = keyOf(args, self);
      const { ofResult } = plan.tags;
      return engine.put(
        {
          key: parts === undefined ? key : parts.key(key),
          load: run,
          tags: argumentTagsOf(plan, args, parts),
          resultTags:
            ofResult === undefined ? undefined : (result, set) => ofResult(self, result, args, parts, set),
          resultTtl: resultTtlOf(ttl, label, self, (result) => [result, ...args]),
          unless: unless === undefined ? undefined : (result) => unless.apply(self, [result, ...args]),
          policy,
          bulkhead: undefined,
          signal: undefined,
          method: () => name.forEvents(self),
          site: joinPoint,
        },
        onUnavailable,
        safe,
      );
    };
  });
}
