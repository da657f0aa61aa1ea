import type { Key } from '../core/cache/cache.js';
import { InvalidationError, invalidationQueued, OptionsError } from '../core/shared/errors.js';
import { KeyContext, type ContextOfCall } from '../core/keys/context.js';
import { logicalKey } from '../core/keys/key.js';
import type { Duration } from '../core/shared/duration.js';
import {
  callback,
  duration,
  flag,
  oneOf,
  parseOptions,
  unchecked,
  type Option,
} from '../core/shared/option-schema.js';
import type { CacheHost } from '../core/cache/cached-method.js';
import { safeDuration, type OnUnavailable } from '../core/cache/cache-options.js';
import type { EntryReference } from '../core/cache/entry-reference.js';
import type { InvalidationTarget } from '../core/cache/pending-invalidations.js';
import { normaliseTags } from '../core/cache/tags.js';
import { replicaWaitOf, type WaitReplicasOptions } from '../core/cache/wait-replicas.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { perClass } from './shared/class-defaults.js';
import {
  compileKeys,
  compileReferences,
  type KeysOption,
  type ReferencesOption,
} from './shared/compile-key.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import { perCaching, resolveCaching, type CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

/** When the invalidation is sent: after the method, before it, or both. */
export type Timing = 'after' | 'before' | 'both';

/** The result of the method; undefined in the invalidation before it. */
type Known<R, W extends Timing> = W extends 'after' ? R : R | undefined;

/** The options of `@Invalidates`: at least one of `keys`, `entries`, `tags` and `all`. */
export interface InvalidatesOptions<
  This,
  A extends readonly unknown[],
  R,
  K extends string,
  T extends string,
  W extends Timing,
> {
  /**
   * The keys of the entries: templates, or a function of the result and the arguments that returns keys or their parts.
   */
  readonly keys?:
    | Template<K, A>
    | readonly Template<K, A>[]
    | NoInfer<(this: This, result: Known<R, W>, ...args: A) => readonly Key[]>
    | undefined;
  /**
   * The entries of calls of decorated methods: a function of the result and the arguments that returns references, made by
   * `entry`. Keys and their context are those of the methods.
   */
  readonly entries?:
    | NoInfer<(this: This, result: Known<R, W>, ...args: A) => readonly EntryReference[]>
    | undefined;
  /** The tags: templates, or a function of the result and the arguments. */
  readonly tags?:
    | Template<T, A>
    | readonly Template<T, A>[]
    | NoInfer<(this: This, result: Known<R, W>, ...args: A) => readonly string[]>
    | undefined;
  /** True: all entries of the namespace. @default false */
  readonly all?: boolean | undefined;
  /**
   * `after`: once the method has succeeded, before its promise resolves. `before`: before the method runs, even if it
   * fails then; a load that reads the old state while the method runs may be stored. `both`: before, and again after
   * success.
   * @default 'after'
   */
  readonly timing?: W | undefined;
  /** A function of the arguments. If it returns false, the call invalidates nothing. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** A function of the result and the arguments. If it returns true, nothing is invalidated after the method. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * What to do if the store does not confirm the invalidation. `queue`: the call returns the result, and the
   * invalidation is retried in the background; until it succeeds this process does not read the entries, and other
   * processes may return them. `throw`: the same, but the call rejects with an InvalidationError that has the result;
   * if the invalidation before the method fails, the method does not run.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /**
   * Makes the invalidation survive the death of this process, for which it needs one round trip more: 1 s to 1 h, such as `'30s'`.
   * The entries of the templates in `keys` and `tags`, and of `all`, are marked before the method runs: until it has ended, every
   * process loads them and stores nothing. If the method fails, what was stored is valid again. If the process dies, the mark ends
   * after this time, and the entries with it. What a function returns is known after the method only, and is not marked.
   * @default no mark: if the process dies between a commit and the invalidation, entries are returned until their ttl ends
   */
  readonly safe?: Duration | undefined;
  /**
   * Sends the invalidation a second time after this delay: for loads that read a replica of the database which lags behind
   * (docs/transactions.md).
   * @default never
   */
  readonly repeatAfter?: Duration | undefined;
  /**
   * Waits until replicas of Redis have the invalidation: after a failover to another replica an old value may come back
   * (docs/transactions.md). If fewer have it in time, an `underReplicated` event is published, and the call returns its result all
   * the same. It costs a second invalidation on a connection of its own. Within a transaction the commit waits for them.
   * @default not waited for
   */
  readonly waitReplicas?: WaitReplicasOptions | undefined;
  /**
   * Parts of the context that the keys have beside those of the `Caching`, as on the `@Cached` methods of these keys; or
   * false: keys and tags have no parts of the context (docs/context.md).
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
  /**
   * Replaces class and method name in events.
   * @default class and method name: `Users.save`
   */
  readonly name?: string | undefined;
  /**
   * The `Caching` to use, or a function of the instance that returns it.
   * @default found through the container (docs/dependency-injection.md)
   */
  readonly cache?: CachingSource<This> | undefined;
}

/** The schema of `InvalidatesOptions`: names, checks and defaults. */
export const invalidatesOptions = {
  keys: unchecked<KeysOption>('templates or a function'),
  entries: callback<ReferencesOption>(),
  tags: unchecked<KeysOption>('templates or a function'),
  all: flag(false),
  timing: oneOf(['after', 'before', 'both'], 'after'),
  unless: decoratorOptions.when as Option<
    ((this: unknown, result: unknown, ...args: readonly unknown[]) => boolean) | undefined
  >,
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
  safe: safeDuration,
  repeatAfter: duration({ min: 1 }),
  waitReplicas: unchecked<WaitReplicasOptions>('an object of options'),
  ...decoratorOptions,
} satisfies Record<
  keyof InvalidatesOptions<unknown, readonly unknown[], unknown, string, string, Timing>,
  Option<unknown>
>;

/**
 * Invalidates entries after the method succeeds, before its promise resolves. Once the store has confirmed that, no
 * call in any process returns the old entries, and no load that started earlier can store an old value again.
 *
 * If the method throws, nothing is invalidated after it. Within `caching.transaction` the invalidation is sent after the
 * commit, and not when the method returns.
 *
 * @throws DecorationError, OptionsError while the class is defined
 * @throws InvalidationError (rejection) if a key or tag cannot be computed from result and arguments, or if the store
 * does not confirm the invalidation and `onUnavailable` is `'throw'`; its `result` is that of the method
 * @throws MissingCachingError (rejection) if no `Caching` is found
 * @throws MissingContextError (rejection) before the method runs, if a part of the context that the keys must have is not set
 * @throws (rejection) the errors of the method and of `when` and `unless`
 * @see G1, G3 and G7 in docs/coherence.md
 * @example
 * @Invalidates({ keys: 'user:{0.id}', tags: (saved) => [`org:${saved.orgId}`] })
 * async save(user: User): Promise<User> { ... }
 */
export function Invalidates<
  This extends object,
  A extends readonly unknown[],
  R,
  const K extends string,
  const T extends string,
  const W extends Timing = 'after',
>(options: InvalidatesOptions<This, A, R, K, T, W>): AsyncMethodDecorator<This, A, R> {
  return decorateInvalidates(options, Invalidates);
}

/**
 * `@Invalidates` without the types of its options.
 *
 * @param entry the public function that the user called
 */
export function decorateInvalidates<This, A extends readonly unknown[], R>(
  rawOptions: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@Invalidates', entry, (joinPoint) => {
    const label = `@Invalidates on ${String(joinPoint.name)}`;
    const options = parseOptions(invalidatesOptions, rawOptions, label);
    const {
      keys,
      entries,
      tags,
      all = false,
      timing = 'after',
      onUnavailable = 'queue',
      repeatAfter,
      when,
      unless,
      safe,
    } = options;
    if (keys === undefined && entries === undefined && tags === undefined && !all) {
      throw new OptionsError(
        `${label} invalidates nothing. Give it keys: 'user:{0}', tags: ['users'], or all: true.`,
      );
    }
    const isMarked = isTemplates(keys) || isTemplates(tags) || all;
    if (safe !== undefined && (timing !== 'after' || !isMarked)) {
      throw new OptionsError(
        `${label} has safe, which marks entries before the method runs: it needs templates in keys or tags, or all: true, and ` +
          "timing: 'after'.",
      );
    }
    const extras = { repeatAfter, wait: replicaWaitOf(options.waitReplicas, label) };
    const name = new MethodName('@Invalidates', joinPoint, options.name, undefined);
    const keysOf = compileKeys(keys, `keys of ${label}`);
    const tagsOf = compileKeys(tags, `tags of ${label}`);
    const entriesOf = compileReferences(entries, `entries of ${label}`);
    // What covers all contexts needs none.
    const isNamed = keys !== undefined || tags !== undefined;
    const planOf = perClass(joinPoint, (defaults) => ({
      cache: options.cache ?? defaults.cache,
      contextOf: perCaching(({ context }) => ({
        context: isNamed ? KeyContext.for(context, options.context ?? defaults.context) : undefined,
      })),
    }));
    const afterwards = { keysOf, tagsOf, entriesOf };
    /** What the arguments tell: functions may need the result. */
    const beforehand: typeof afterwards = {
      keysOf: isTemplates(keys) ? keysOf : () => [],
      tagsOf: isTemplates(tags) ? tagsOf : () => [],
      entriesOf: () => [],
    };
    const targetOf = (
      host: CacheHost,
      self: unknown,
      result: unknown,
      args: unknown[],
      parts: ContextOfCall | undefined,
      renders = afterwards,
    ): InvalidationTarget => {
      try {
        const named = renders
          .keysOf(self, [result, ...args], args)
          .map((key) => logicalKey(key, `keys of ${label}`));
        const tagged = normaliseTags(
          renders.tagsOf(self, [result, ...args], args) as readonly string[],
          label,
        );
        const referred = renders.entriesOf(host, self, [result, ...args]);
        if (parts === undefined) return { keys: [...named, ...referred], tags: tagged, all };
        return { keys: [...named.map((key) => parts.key(key)), ...referred], tags: parts.tags(tagged), all };
      } catch (cause) {
        throw new InvalidationError(
          `${name.forErrors(self)} invalidated nothing, because its keys or tags could not be computed: ${messageOf(cause)}`,
          result,
          { cause },
        );
      }
    };
    return async (self, args, original) => {
      const { cache, contextOf } = planOf(self);
      const caching = resolveCaching(self, cache, name);
      const run = (): Promise<unknown> => callAsync(original, self, args, name);
      const engine = caching.engines.cache;
      if (!engine.enabled || (when !== undefined && !when.apply(self, args))) return run();
      // guard: context-is-read-before-the-method
      const parts = contextOf(caching).context?.read(() => name.forErrors(self));
      const invalidate = async (result: unknown): Promise<void> => {
        const target = targetOf(caching, self, result, args, parts);
        const { failure } = await engine.invalidate(target, () => name.forEvents(self), extras);
        if (failure !== undefined && onUnavailable === 'throw') throw invalidationQueued(failure, result);
      };
      if (safe !== undefined) {
        return engine.invalidateAround({
          marked: targetOf(caching, self, undefined, args, parts, beforehand),
          safe,
          work: run,
          targetOf: (result) =>
            unless?.apply(self, [result, ...args]) === true
              ? undefined
              : targetOf(caching, self, result, args, parts),
          onUnavailable,
          extras,
          method: () => name.forEvents(self),
        });
      }
      if (timing !== 'after') await invalidate(undefined);
      const result = await run();
      const isExcepted = timing === 'before' || unless?.apply(self, [result, ...args]) === true;
      if (!isExcepted) await invalidate(result);
      return result;
    };
  });
}

function isTemplates(option: KeysOption): boolean {
  return typeof option === 'string' || Array.isArray(option);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
