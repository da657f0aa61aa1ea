import type { Key } from '../core/cache/cache.js';
import { KeyError } from '../core/shared/errors.js';
import { placeholdersOf } from '../core/keys/key-template.js';
import type { ContextOfCall } from '../core/keys/context.js';
import { defaultKey } from '../core/keys/argument-key.js';
import {
  callback,
  integer,
  oneOf,
  parseOptions,
  unchecked,
  type Option,
} from '../core/shared/option-schema.js';
import { cacheOptions, type CacheOptions } from '../core/cache/cache-options.js';
import type { CacheCall } from '../core/cache/cache-call.js';
import type { CachedMethod, CacheHost } from '../core/cache/cached-method.js';
import type { KeyedMethod } from '../core/cache/entry-reference.js';
import { runUncached } from '../core/cache/load-context.js';
import type { Duration } from '../core/shared/duration.js';
import { resultTtlOf, ttlOrFunction } from '../core/cache/result-ttl.js';
import { valueOptions, type ValueOptions } from '../core/cache/value-options.js';
import { around, callAsync, type AsyncMethodDecorator, type Method } from './shared/around.js';
import { cachePlan, type CachePlan } from './shared/cache-plan.js';
import { compileKey, type KeyOption } from './shared/compile-key.js';
import { argumentTagsOf, type AnyTags } from './shared/compile-tags.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import { fixedCaching, perCaching, resolveCaching, type CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

/** The options of `@Cached`. Defaults are those of `defaults` of `new Caching`. */
export interface CachedOptions<This, A extends readonly unknown[], R, K extends string, T extends string>
  extends Omit<CacheOptions, 'ttl'>, ValueOptions<R> {
  /**
   * How long a value may be returned, counted from the start of its load: 1 ms or more. Or a function of the result and the
   * arguments that returns it; 0: the result is not stored. It is called for `null` and `undefined` if there is no
   * `negativeTtl`. If it throws, or returns no duration, the call rejects and the result is not stored.
   * @default that of the class or of the `Caching`
   */
  readonly ttl?: Duration | NoInfer<(this: This, result: R, ...args: A) => Duration> | undefined;
  /**
   * The logical key of the entry: a template with positions and paths (`'user:{0.id}'`), or a function of the arguments
   * that returns a key or its parts.
   * @default class and method name, and the arguments in a stable text (hashed if long)
   */
  readonly key?: Template<K, A> | NoInfer<(this: This, ...args: A) => Key> | undefined;
  /**
   * Labels by which entries can be invalidated together: templates, or a function of the result and the arguments. Tags
   * from templates are checked in the round trip that reads the entry.
   */
  readonly tags?:
    | Template<T, A>
    | readonly Template<T, A>[]
    | NoInfer<(this: This, result: R, ...args: A) => readonly string[]>
    | undefined;
  /**
   * Tags that have no parts of the context, as fixed names: `@Invalidates` with `context: false` ends the entries of all
   * contexts (docs/context.md).
   * @default none
   */
  readonly sharedTags?: readonly string[] | undefined;
  /** A function of the arguments. If it returns false, the call runs the method, and reads and stores nothing. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** A function of the result and the arguments. If it returns true, the result is returned and not stored. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * A function of the arguments that returns the AbortSignal of the call. The call rejects when it aborts. The load goes on for
   * the other calls that wait for it; if there are none, the signal of the load aborts (`currentLoad`).
   */
  readonly signal?: NoInfer<(this: This, ...args: A) => AbortSignal | undefined> | undefined;
  /**
   * Parts of the context that the keys have beside those of the `Caching`, such as `['locale']`; or false: keys and tags have
   * no parts of the context, and all contexts share the entries (docs/context.md).
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
  /**
   * Replaces class and method name in default keys and events. Give a name if class names are minified or not unique.
   * @default class and method name: `Users.find`
   */
  readonly name?: string | undefined;
  /**
   * The `Caching` to use, or a function of the instance that returns it.
   * @default found through the container (docs/dependency-injection.md)
   */
  readonly cache?: CachingSource<This> | undefined;
  /**
   * How many loads of this method may run at the same time in this process, over all instances and for each `Caching`:
   * 1 or more. Loads beyond that wait for `loadQueueTimeout` (docs/outage.md).
   * @default not bounded
   */
  readonly maxConcurrentLoads?: number | undefined;
  /**
   * What to do if the call has no valid key: an argument is a cycle, a function or a class instance, or another class
   * of the same name uses the default keys. `bypass`: the method runs uncached, and an `error` event is published.
   * `throw`: the call rejects with the KeyError.
   * @default 'bypass'
   */
  readonly onKeyError?: 'bypass' | 'throw' | undefined;
}

/** The schema of `CachedOptions`: names, checks and defaults. */
export const cachedOptions = {
  key: unchecked<KeyOption>('a template or a function'),
  tags: unchecked<AnyTags>('templates or a function'),
  ...cacheOptions,
  ...valueOptions,
  ...decoratorOptions,
  ttl: ttlOrFunction,
  unless: decoratorOptions.when as Option<
    ((this: unknown, result: unknown, ...args: readonly unknown[]) => boolean) | undefined
  >,
  signal: callback<(this: unknown, ...args: readonly unknown[]) => AbortSignal | undefined>(),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
  maxConcurrentLoads: integer({ min: 1 }),
  onKeyError: oneOf(['bypass', 'throw'], 'bypass'),
} satisfies Record<
  keyof CachedOptions<unknown, readonly unknown[], unknown, string, string>,
  Option<unknown>
>;

/**
 * Caches the results of an async method. A call returns the stored entry if there is a valid one; otherwise it runs the
 * method and stores its result. Concurrent misses of a key share one run, across processes too. A result whose key or
 * tag is invalidated while the method runs is not stored.
 *
 * If the store does not answer, the method runs after at most `storeTimeout`.
 *
 * @throws DecorationError, OptionsError while the class is defined
 * @throws ValueError (rejection) if the result would not be read back equal, and `onUnsupported` is `'throw'`
 * @throws KeyError (rejection) if the call has no valid key, and `onKeyError` is `'throw'`
 * @throws LoadShedError (rejection) if `maxConcurrentLoads` is reached, and the load does not start in time
 * @throws MissingCachingError (rejection) if no `Caching` is found
 * @throws MissingContextError (rejection) if a part of the context that the keys must have is not set
 * @throws (rejection) the errors of the method and of the functions in the options
 * @see G1, G3 to G6 and G10 in docs/coherence.md
 * @example
 * @Cached({ key: 'user:{0}', ttl: '15m', tags: (user) => [`org:${user.orgId}`] })
 * async find(id: string): Promise<User> { ... }
 */
export function Cached<
  This extends object,
  A extends readonly unknown[],
  R,
  const K extends string,
  const T extends string,
>(options: CachedOptions<This, A, R, K, T> = {}): AsyncMethodDecorator<This, A, R> {
  return decorateCached(options, Cached);
}

/**
 * `@Cached` without the types of its options.
 *
 * @param entry the public function that the user called
 */
export function decorateCached<This, A extends readonly unknown[], R>(
  rawOptions: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@Cached', entry, (joinPoint) => {
    const label = `@Cached on ${String(joinPoint.name)}`;
    const options = parseOptions(cachedOptions, rawOptions, label);
    const { when, unless, signal, ttl } = options;
    const name = new MethodName(
      '@Cached',
      joinPoint,
      options.name,
      options.key === undefined ? 'entries' : undefined,
    );
    const keyOf = compileKey(options.key, `key of ${label}`);
    const keyDecidesTags = decidesTags(options.key, options.tags);
    // guard: bulkhead-is-of-all-classes
    const bulkheadOf = perCaching(({ engines }: CacheHost) => ({
      bulkhead: engines.cache.bulkhead(options.maxConcurrentLoads),
    }));
    const planOf = cachePlan(joinPoint, options, label);

    const ownKey = (self: unknown, args: unknown[]): string =>
      keyOf?.(args, self) ?? defaultKey(name.forKeys(self), args);
    const callOf = (
      plan: CachePlan,
      host: CacheHost,
      self: unknown,
      args: unknown[],
      original: Method,
      { key, argumentTags, parts }: KeysOfCall,
    ): CacheCall<unknown> => {
      const { ofResult } = plan.tags;
      return {
        key,
        load: () => callAsync(original, self, args, name),
        tags: argumentTags,
        resultTags:
          ofResult === undefined ? undefined : (result, set) => ofResult(self, result, args, parts, set),
        resultTtl: resultTtlOf(ttl, label, self, (result) => [result, ...args]),
        unless: unless === undefined ? undefined : (result) => unless.apply(self, [result, ...args]),
        policy: plan.setupOf(host).policy,
        bulkhead: bulkheadOf(host).bulkhead,
        signal: signal?.apply(self, args),
        method: () => name.forEvents(self),
        site: joinPoint,
      };
    };

    const advice = (self: unknown, args: unknown[], original: Method): Promise<unknown> => {
      const plan = planOf(self);
      const host = resolveCaching(self, plan.cache, name);
      const { context, engine, policy } = plan.setupOf(host);
      const isCached = engine.enabled && (when === undefined || when.apply(self, args));
      if (!isCached) return runUncached(() => callAsync(original, self, args, name));
      const parts = context?.read(() => name.forErrors(self));
      const isSampled = engine.samples(policy);
      let own: string;
      let key: string;
      let argumentTags: readonly string[];
      try {
        // guard: remembered-key-has-no-context
        const remembered = parts === undefined ? keyOf?.recall?.(args) : undefined;
        own = remembered?.text ?? ownKey(self, args);
        key = parts === undefined ? own : parts.key(own);
        // guard: sampled-call-does-not-end-in-memory
        const known = isSampled ? undefined : engine.findInMemory(remembered ?? key, policy);
        // guard: tags-are-checked-for-each-class
        if (known !== undefined && keyDecidesTags && known.checkedBy === plan) {
          return engine.hit(known, self, name);
        }
        argumentTags = argumentTagsOf(plan, args, parts);
        if (known?.hasTags(argumentTags) === true) {
          if (keyDecidesTags) known.checkedBy = plan;
          return engine.hit(known, self, name);
        }
      } catch (error) {
        if (!(error instanceof KeyError) || plan.onKeyError === 'throw') throw error;
        engine.report('key', () => name.forEvents(self), error);
        return runUncached(() => callAsync(original, self, args, name));
      }
      const call = callOf(plan, host, self, args, original, { key, argumentTags, parts });
      if (!isSampled) return engine.read(call);
      return engine.read({ ...call, sample: { hasItsKey: () => ownKey(self, args) === own } });
    };
    const completeKey = (
      plan: CachePlan,
      host: CacheHost,
      self: unknown,
      args: unknown[],
    ): Omit<KeysOfCall, 'argumentTags'> => {
      const parts = plan.setupOf(host).context?.read(() => name.forErrors(self));
      const own = ownKey(self, args);
      return { key: parts === undefined ? own : parts.key(own), parts };
    };
    const cached: CachedMethod = {
      label: (self) => name.forErrors(self),
      cachingOf: (self) => resolveCaching(self, planOf(self).cache, name),
      applies: (self, args) => when === undefined || when.apply(self, args),
      rejectsKeyErrors: (self) => planOf(self).onKeyError === 'throw',
      keyOf: ownKey,
      callOf: (host, self, args) => {
        const plan = planOf(self);
        const { key, parts } = completeKey(plan, host, self, args);
        const argumentTags = argumentTagsOf(plan, args, parts);
        return callOf(plan, host, self, args, joinPoint.method, { key, argumentTags, parts });
      },
      run: (self, args) => callAsync(joinPoint.method, self, args, name),
    };
    const keyed: KeyedMethod = {
      label: cached.label,
      cachingOf: cached.cachingOf,
      fixedCachingOf: (self) => fixedCaching(planOf(self).cache),
      keysOf: (host, self, args) => [completeKey(planOf(self), host, self, args).key],
    };
    return Object.assign(advice, { cached, keyed });
  });
}

interface KeysOfCall {
  readonly key: string;
  readonly argumentTags: readonly string[];
  readonly parts: ContextOfCall | undefined;
}

/** True if two calls with the same key have the same tags: each placeholder of a tag is in the key, too. */
function decidesTags(key: KeyOption, tags: AnyTags | undefined): boolean {
  if (typeof tags === 'function' || typeof key === 'function') return tags === undefined;
  // A default key has all arguments.
  if (key === undefined) return true;
  const inKey = placeholdersOf(key);
  return [tags ?? []].flat().every((tag) => placeholdersOf(tag).every((one) => inKey.includes(one)));
}
