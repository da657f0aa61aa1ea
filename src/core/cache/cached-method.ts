import type { KeyContext } from '../keys/context.js';
import type { MethodLabel } from '../shared/event-publisher.js';
import { originals } from '../shared/originals.js';
import { shared } from '../shared/registry.js';
import type { CacheCall } from './cache-call.js';
import type { CacheEngine } from './cache-engine.js';

/** What a cached call needs of its `Caching`. */
export interface CacheHost {
  readonly engines: { readonly cache: CacheEngine };
  readonly context: KeyContext | undefined;
}

/**
 * What `@Cached` and `@CachedMany` tell handles about the method that they decorate. `self` is the instance, `args` are those
 * of a call. For `@CachedMany`, `keyOf` and `callOf` get the arguments with an id in place of the ids.
 */
export interface CachedMethod {
  /** Returns `@Cached on Users.find`. */
  label(self: unknown): string;
  /** The `Caching` that a call of the method would use. @throws MissingCachingError, OptionsError */
  cachingOf(self: unknown): object;
  /** False if `when` of the decorator excludes the call. */
  applies(self: unknown, args: unknown[]): boolean;
  /** True if a call without a valid key rejects, and does not run uncached. */
  rejectsKeyErrors(self: unknown): boolean;
  /** The logical key, without parts of the context. @throws KeyError */
  keyOf(self: unknown, args: unknown[]): string;
  /** The cached call that the method would make. @throws KeyError, MissingContextError */
  callOf(host: CacheHost, self: unknown, args: unknown[]): CacheCall<unknown>;
  /** Runs the method as if the decorator were not there. */
  run(self: unknown, args: unknown[]): Promise<unknown>;
  /** Of a method with `@CachedMany`. */
  readonly many?: {
    /** The keys of the ids, each once, and the label of the method for events. @throws KeyError, MissingContextError, OptionsError */
    targetOf(
      host: CacheHost,
      self: unknown,
      args: unknown[],
    ): { readonly keys: readonly string[]; readonly method: MethodLabel };
    /** Loads all ids anew. @returns what the method returns @throws KeyError, MissingContextError */
    refresh(host: CacheHost, self: unknown, args: unknown[]): Promise<unknown>;
  };
}

/** By the wrapper that the decorator has made. */
const methods = shared('cached methods', () => new WeakMap<object, CachedMethod>());

export function registerCachedMethod(wrapper: object, method: CachedMethod): void {
  methods.set(wrapper, method);
}

/** Finds the decorated method, also within other decorators of this package. */
export function cachedMethodOf(value: unknown): CachedMethod | undefined {
  for (let current = value; typeof current === 'function'; current = originals.get(current)) {
    const method = methods.get(current);
    if (method !== undefined) return method;
  }
  return undefined;
}
