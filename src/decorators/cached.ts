import type { Key } from '../core/cache/cache.js';
import { KeyError } from '../core/shared/errors.js';
import { defaultKey } from '../core/keys/argument-key.js';
import { oneOf, parseOptions, unchecked, type Option } from '../core/shared/option-schema.js';
import {
  CACHE_DEFAULTS,
  cacheOptions,
  resolveCachePolicy,
  type CacheOptions,
} from '../core/cache/cache-options.js';
import { normaliseTags } from '../core/cache/tags.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { compileKey, compileTemplates, type KeyOption } from './shared/compile-key.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import { perCaching, resolveCaching, type CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

export interface CachedOptions<
  This,
  A extends readonly unknown[],
  R,
  K extends string,
  T extends string,
> extends CacheOptions {
  /**
   * Where the result is stored: a template with positions and paths (`'user:{0.id}'`), or a function of the
   * arguments that returns a key or its parts.
   * @default class and method name, and the arguments in a stable text (hashed when long)
   */
  readonly key?: Template<K, A> | NoInfer<(this: This, ...args: A) => Key> | undefined;
  /**
   * Labels by which entries can be invalidated together: templates, or a function of the result and the
   * arguments. Those known from the arguments are checked in the round trip of the entry.
   */
  readonly tags?:
    | Template<T, A>
    | readonly Template<T, A>[]
    | NoInfer<(this: This, result: R, ...args: A) => readonly string[]>
    | undefined;
  /** False: this call runs the method, and neither reads nor stores. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** True: this result is returned and not stored. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * Stands for class and method name in default keys and events. Give one where class names are minified or
   * not unique.
   */
  readonly name?: string | undefined;
  /** Which `Caching`. @default found through the container (docs/dependency-injection.md) */
  readonly cache?: CachingSource<This> | undefined;
  /**
   * When no key can be made for the call: of arguments such as a cycle, a function or a class instance, or because
   * another class of the same name uses the default keys. `bypass`: the method runs uncached, and an `error` event is
   * published. `throw`: the call rejects with the KeyError.
   * @default 'bypass'
   */
  readonly onKeyError?: 'bypass' | 'throw' | undefined;
}

type AnyTags =
  | string
  | readonly string[]
  | ((this: unknown, result: unknown, ...args: readonly unknown[]) => readonly string[]);

/** The same as a schema: names, checks and defaults. */
export const cachedOptions = {
  key: unchecked<KeyOption>('a template or a function'),
  tags: unchecked<AnyTags>('templates or a function'),
  ...cacheOptions,
  ...decoratorOptions,
  unless: decoratorOptions.when as Option<
    ((this: unknown, result: unknown, ...args: readonly unknown[]) => boolean) | undefined
  >,
  onKeyError: oneOf(['bypass', 'throw'], 'bypass'),
} satisfies Record<
  keyof CachedOptions<unknown, readonly unknown[], unknown, string, string>,
  Option<unknown>
>;

/**
 * Stores what the method returns, and returns what is stored. However many callers in however many processes miss at
 * once, the method runs once; a value that is invalidated while it is loaded is not stored.
 *
 * @throws DecorationError, OptionsError while the class is defined. Calls reject with what the method throws, with a
 * ValueError for a result that would not come back equal, and with a KeyError under `onKeyError: 'throw'`
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

/** @param entry the public function that the user called */
export function decorateCached<This, A extends readonly unknown[], R>(
  options: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@Cached', entry, (joinPoint) => {
    const at = `@Cached on ${String(joinPoint.name)}`;
    // The types above are for the caller; from here on arguments are what they are at run time.
    const given = parseOptions(cachedOptions, options, at);
    const { when, unless, cache, onKeyError } = given;
    const name = new MethodName(
      '@Cached',
      joinPoint,
      given.name,
      given.key === undefined ? 'entries' : undefined,
    );
    // A ttl may still come from the defaults of the Caching; everything else is checked now.
    resolveCachePolicy(given, { ...CACHE_DEFAULTS, ttl: 1 }, at);
    const keyOf = compileKey(given.key, `key of ${at}`);
    const tags = compileTags(given.tags, at);
    const policyOf = perCaching(({ engines }) => engines.cache.policy(given, at));
    return async (self, args, original) => {
      const caching = resolveCaching(self, cache, () => name.forErrors(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => name.forErrors(self));
      const engine = caching.engines.cache;
      const label = (): string => name.forEvents(self);
      if (!engine.enabled) return run();
      if (when !== undefined && !when.apply(self, args)) {
        engine.bypass();
        return run();
      }
      let key: string;
      let argumentTags: readonly string[];
      try {
        key = keyOf === undefined ? defaultKey(name.forKeys(self), args) : keyOf(args, self);
        argumentTags = tags.ofArguments(args);
      } catch (error) {
        if (!(error instanceof KeyError) || onKeyError === 'throw') throw error;
        engine.report('key', label, error);
        engine.bypass();
        return run();
      }
      return engine.read({
        key,
        load: run,
        tags: argumentTags,
        resultTags: tags.ofResult === undefined ? undefined : (result) => tags.ofResult!(self, result, args),
        unless: unless === undefined ? undefined : (result) => unless.apply(self, [result, ...args]),
        policy: policyOf(caching),
        method: label,
        site: joinPoint,
      });
    };
  });
}

interface TagRenderers {
  readonly ofArguments: (args: unknown[]) => readonly string[];
  /** Undefined if the arguments tell all tags. */
  readonly ofResult: ((self: unknown, result: unknown, args: unknown[]) => readonly string[]) | undefined;
}

const NO_TAGS: readonly string[] = [];

function compileTags(tags: AnyTags | undefined, at: string): TagRenderers {
  if (tags === undefined) return { ofArguments: () => NO_TAGS, ofResult: undefined };
  if (typeof tags === 'function') {
    return {
      ofArguments: () => NO_TAGS,
      ofResult: (self, result, args) => normaliseTags(tags.apply(self, [result, ...args]), at),
    };
  }
  const renders = compileTemplates(tags, `tags of ${at}`);
  if (!String(tags).includes('{')) {
    const fixed = normaliseTags(
      renders.map((render) => render([])),
      at,
    );
    return { ofArguments: () => fixed, ofResult: undefined };
  }
  return {
    ofArguments: (args) => [...new Set(renders.map((render) => render(args)))],
    ofResult: undefined,
  };
}
