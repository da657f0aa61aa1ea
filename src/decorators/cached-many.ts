import type { Key } from '../core/cache/cache.js';
import { isMap, loadAlone, readBatch, type BatchCall } from '../core/cache/batch-load.js';
import type { CachedMethod, CacheHost } from '../core/cache/cached-method.js';
import type { KeyedMethod } from '../core/cache/entry-reference.js';
import type { ArgumentsOfOne, ValueOf } from '../core/cache/method-types.js';
import { describe } from '../core/shared/describe.js';
import { KeyError, OptionsError } from '../core/shared/errors.js';
import {
  callback,
  integer,
  oneOf,
  parseOptions,
  unchecked,
  type Option,
} from '../core/shared/option-schema.js';
import { cacheOptions, type CacheOptions } from '../core/cache/cache-options.js';
import { runUncached } from '../core/cache/load-context.js';
import type { Duration } from '../core/shared/duration.js';
import { resultTtlOf, ttlOrFunction } from '../core/cache/result-ttl.js';
import { valueOptions, type ValueOptions } from '../core/cache/value-options.js';
import { around, callAsync, type AsyncMethodDecorator, type Method } from './shared/around.js';
import { cachePlan } from './shared/cache-plan.js';
import { compileKey, type KeyOption } from './shared/compile-key.js';
import { argumentTagsOf, type AnyTags } from './shared/compile-tags.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import { fixedCaching, resolveCaching, type CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

/** The form of the result of a method: a Map by id, a list, or an object by id. */
type Form = 'map' | 'list' | 'object';

type IdOf<A extends readonly unknown[]> = A extends readonly [readonly (infer Id)[], ...unknown[]]
  ? Id
  : never;

type FormOf<R> =
  R extends ReadonlyMap<unknown, unknown>
    ? { readonly returns?: 'map' | undefined }
    : R extends readonly unknown[]
      ? { readonly returns: 'list' }
      : { readonly returns: 'object' };

/** The options of `@CachedMany`. Defaults are those of `defaults` of `new Caching`. */
export type CachedManyOptions<
  This,
  A extends readonly unknown[],
  R,
  K extends string,
  T extends string,
> = CachedManyFields<This, A, R, K, T> & FormOf<R>;

export interface CachedManyFields<This, A extends readonly unknown[], R, K extends string, T extends string>
  extends Omit<CacheOptions, 'ttl'>, ValueOptions<ValueOf<R>> {
  /**
   * How long a value may be returned, counted from the start of its load: 1 ms or more. Or a function of a value, its id and the
   * other arguments that returns it; 0: the value is not stored. It is called with undefined for an id without a value, if
   * there is no `negativeTtl`. If it throws, or returns no duration, the call rejects and the value is not stored.
   * @default that of the class or of the `Caching`
   */
  readonly ttl?:
    | Duration
    | NoInfer<(this: This, value: ValueOf<R> | undefined, ...args: ArgumentsOfOne<A>) => Duration>
    | undefined;
  /**
   * The logical key of an id: a template in which `{0}` is the id, or a function of the id and the other arguments. Give it the
   * key that `@Cached` has for the same value: both then share entries and running loads.
   */
  readonly key: Template<K, ArgumentsOfOne<A>> | NoInfer<(this: This, ...args: ArgumentsOfOne<A>) => Key>;
  /**
   * Labels by which entries can be invalidated together: templates in which `{0}` is the id, or a function of a value, its id
   * and the other arguments.
   */
  readonly tags?:
    | Template<T, ArgumentsOfOne<A>>
    | readonly Template<T, ArgumentsOfOne<A>>[]
    | NoInfer<(this: This, value: ValueOf<R>, ...args: ArgumentsOfOne<A>) => readonly string[]>
    | undefined;
  /** Tags that have no parts of the context, as fixed names (docs/context.md). @default none */
  readonly sharedTags?: readonly string[] | undefined;
  /** A function of the arguments. If it returns false, the call runs the method, and reads and stores nothing. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** A function of a value, its id and the other arguments. If it returns true, the value is returned and not stored. */
  readonly unless?:
    | NoInfer<(this: This, value: ValueOf<R>, ...args: ArgumentsOfOne<A>) => boolean>
    | undefined;
  /**
   * The id of a value, for a method that returns a list in another order than its ids, or without those that it has not found.
   * @default a list has one value for each id, in the order of the ids
   */
  readonly idOf?: NoInfer<(value: ValueOf<R>) => IdOf<A>> | undefined;
  /** How many ids the method is called with at most: 1 or more. @default all that are missing */
  readonly chunkSize?: number | undefined;
  /**
   * What the method returns, and the decorated method too: a Map by id, a list (undefined for an id without a value), or an
   * object by id. Ids without a value are left out of a Map and of an object.
   * @default 'map'
   */
  readonly returns?: Form | undefined;
  /** Parts of the context that the keys have, or false (docs/context.md). @default those of the `Caching` */
  readonly context?: readonly string[] | false | undefined;
  /** Replaces class and method name in events. @default class and method name: `Users.findMany` */
  readonly name?: string | undefined;
  /** The `Caching` to use, or a function of the instance that returns it. @default found through the container */
  readonly cache?: CachingSource<This> | undefined;
  /**
   * What to do if the call has no valid key. `bypass`: the method runs uncached, and an `error` event is published. `throw`:
   * the call rejects with the KeyError.
   * @default 'bypass'
   */
  readonly onKeyError?: 'bypass' | 'throw' | undefined;
}

type AnyCallback<R> = (this: unknown, ...args: readonly unknown[]) => R;

/** The schema of `CachedManyFields`: names, checks and defaults. */
export const cachedManyOptions = {
  key: unchecked<KeyOption>('a template or a function'),
  tags: unchecked<AnyTags>('templates or a function'),
  ...cacheOptions,
  ...valueOptions,
  ...decoratorOptions,
  ttl: ttlOrFunction,
  unless: callback<AnyCallback<boolean>>(),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
  idOf: callback<AnyCallback<unknown>>(),
  chunkSize: integer({ min: 1 }),
  returns: oneOf(['map', 'list', 'object'], 'map'),
  onKeyError: oneOf(['bypass', 'throw'], 'bypass'),
} satisfies Record<
  keyof CachedManyFields<unknown, readonly [readonly unknown[]], unknown, string, string>,
  Option<unknown>
>;

/**
 * Caches the results of an async method that takes a list of ids as its first argument, by id. A call returns the stored
 * values, and runs the method with the ids that are missing. Each id has an entry, a lease and a fence of its own, and shares
 * a running load with `@Cached` methods of the same key. `maxConcurrentLoads` does not bound these loads.
 *
 * That an id has no value is stored for `negativeTtl`.
 *
 * @throws DecorationError, OptionsError while the class is defined
 * @throws OptionsError (rejection) if the first argument is not a list, or the method returns something else than `returns` says
 * @throws KeyError (rejection) if an id has no valid key, and `onKeyError` is `'throw'`
 * @throws ValueError (rejection) if a value would not be read back equal, and `onUnsupported` is `'throw'`
 * @throws MissingCachingError, MissingContextError (rejection)
 * @throws (rejection) the errors of the method and of the functions in the options
 * @see I23 in docs/coherence.md
 * @example
 * @CachedMany({ key: 'user:{0}', ttl: '15m' })
 * async findMany(ids: string[]): Promise<Map<string, User>> { ... }
 */
export function CachedMany<
  This extends object,
  A extends readonly [readonly unknown[], ...unknown[]],
  R extends object,
  const K extends string,
  const T extends string,
>(options: CachedManyOptions<This, A, R, K, T>): AsyncMethodDecorator<This, A, R> {
  return decorateCachedMany(options, CachedMany);
}

/** `@CachedMany` without the types of its options. @param entry the public function that the user called */
export function decorateCachedMany<This, A extends readonly unknown[], R>(
  rawOptions: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@CachedMany', entry, (joinPoint) => {
    const label = `@CachedMany on ${String(joinPoint.name)}`;
    const options = parseOptions(cachedManyOptions, rawOptions, label);
    const { when, unless, ttl, idOf, chunkSize, returns = 'map' } = options;
    if (options.key === undefined) {
      throw new OptionsError(`${label} needs a key, in which {0} is the id: key: 'user:{0}'.`);
    }
    const name = new MethodName('@CachedMany', joinPoint, options.name, undefined);
    const keyOf = compileKey(options.key, `key of ${label}`)!;
    const planOf = cachePlan(joinPoint, options, label);
    const idsOf = (self: unknown, ids: unknown): readonly unknown[] => {
      if (Array.isArray(ids)) return ids;
      throw new OptionsError(
        `${name.forErrors(self)} takes a list of ids as its first argument, and ${describe(ids)} was given.`,
      );
    };
    /** The cached calls of the ids, without their loader. @param rest the other arguments of the call */
    const callsOf = (
      host: CacheHost,
      self: unknown,
      ids: readonly unknown[],
      rest: readonly unknown[],
    ): BatchCall<unknown, unknown>['calls'] => {
      const plan = planOf(self);
      const { tags } = plan;
      const { context, engine, policy } = plan.setupOf(host);
      const parts = context?.read(() => name.forErrors(self));
      const samples = engine.samples(policy);
      return ids.map((id) => {
        const args = [id, ...rest];
        const key = keyOf(args, self);
        const own = {
          key: parts === undefined ? key : parts.key(key),
          tags: argumentTagsOf(plan, args, parts),
          resultTags:
            tags.ofResult === undefined
              ? undefined
              : (value: unknown) => (value === undefined ? [] : tags.ofResult!(self, value, args, parts, [])),
          resultTtl: resultTtlOf(ttl, label, self, (value: unknown) => [value, ...args]),
          unless:
            unless === undefined
              ? undefined
              : (value: unknown) => value !== undefined && unless.apply(self, [value, ...args]),
          policy,
          signal: undefined,
          method: () => name.forEvents(self),
          site: joinPoint,
          sample: samples ? { hasItsKey: () => keyOf(args, self) === key } : undefined,
        };
        return { id, own };
      });
    };
    /** @throws KeyError, MissingContextError, OptionsError */
    const batchOf = (
      host: CacheHost,
      self: unknown,
      args: readonly unknown[],
      original: Method,
    ): BatchCall<unknown, unknown> => {
      const [ids, ...rest] = args;
      return {
        calls: callsOf(host, self, idsOf(self, ids), rest),
        load: async (missing) => {
          const result = await callAsync(original, self, [missing, ...rest], name);
          checkForm(result, returns, name.forErrors(self));
          return result;
        },
        idOf,
        chunkSize,
        label: name.forErrors(self),
      };
    };
    const applies = (self: unknown, args: unknown[]): boolean => when === undefined || when.apply(self, args);
    const advice = async (self: unknown, args: unknown[], original: Method): Promise<unknown> => {
      const { cache, onKeyError } = planOf(self);
      const host = resolveCaching(self, cache, name);
      const engine = host.engines.cache;
      const ids = idsOf(self, args[0]);
      if (!engine.enabled || !applies(self, args))
        return runUncached(() => callAsync(original, self, args, name));
      let batch: BatchCall<unknown, unknown>;
      try {
        batch = batchOf(host, self, args, original);
      } catch (error) {
        if (!(error instanceof KeyError) || onKeyError === 'throw') throw error;
        engine.report('key', () => name.forEvents(self), error);
        return runUncached(() => callAsync(original, self, args, name));
      }
      return resultOf(returns, ids, await readBatch(engine, batch));
    };
    const keysOf = (host: CacheHost, self: unknown, [ids, ...rest]: readonly unknown[]): string[] => {
      const parts = planOf(self)
        .setupOf(host)
        .context?.read(() => name.forErrors(self));
      return idsOf(self, ids).map((id) => {
        const key = keyOf([id, ...rest], self);
        return parts === undefined ? key : parts.key(key);
      });
    };
    const { method } = joinPoint;
    const cached: CachedMethod = {
      label: (self) => name.forErrors(self),
      cachingOf: (self) => resolveCaching(self, planOf(self).cache, name),
      applies,
      rejectsKeyErrors: (self) => planOf(self).onKeyError === 'throw',
      keyOf: (self, args) => keyOf(args, self),
      callOf: (host, self, [id, ...rest]) => {
        const batch = batchOf(host, self, [[id], ...rest], method);
        return { ...batch.calls[0]!.own, load: () => loadAlone(batch, id), bulkhead: undefined };
      },
      run: (self, args) => callAsync(method, self, args, name),
      many: {
        targetOf: (host, self, args) => ({
          keys: [...new Set(keysOf(host, self, args))],
          method: () => name.forEvents(self),
        }),
        refresh: async (host, self, args) => {
          const batch = batchOf(host, self, args, method);
          const ids = batch.calls.map(({ id }) => id);
          return resultOf(returns, ids, await readBatch(host.engines.cache, batch, 'refresh'));
        },
      },
    };
    const keyed: KeyedMethod = {
      label: cached.label,
      cachingOf: cached.cachingOf,
      fixedCachingOf: (self) => fixedCaching(planOf(self).cache),
      keysOf,
    };
    return Object.assign(advice, { cached, keyed });
  });
}

function checkForm(result: unknown, returns: Form, label: string): void {
  const form = Array.isArray(result) ? 'list' : isMap(result) ? 'map' : 'object';
  // guard: result-of-a-batch-has-its-form
  if (form !== returns) {
    throw new OptionsError(
      `${label} has the option returns: '${returns}', and the method returned ${describe(result)}. Give it returns: '${form}', so ` +
        'that calls that find all values return the same as calls that run the method.',
    );
  }
}

function resultOf(returns: Form, ids: readonly unknown[], values: readonly unknown[]): unknown {
  if (returns === 'list') return values;
  const found = ids.flatMap((id, i) => (values[i] === undefined ? [] : [[id, values[i]] as const]));
  return returns === 'map'
    ? new Map(found)
    : Object.fromEntries(found.map(([id, value]) => [String(id), value]));
}
