import { describe } from '../shared/describe.js';
import { KeyError, MissingCachingError, MissingContextError, OptionsError } from '../shared/errors.js';
import { acknowledgementOf, type Acknowledgement } from './acknowledgement.js';
import { cachedMethodOf, type CachedMethod, type CacheHost } from './cached-method.js';
import type { Peeked } from './inspect.js';
import type { ArgumentsOfOne, ValueOf } from './method-types.js';
import { runUncached } from './load-context.js';

/**
 * A handle on one method with `@Cached`, of one instance: what is stored for a call with the same arguments. Made by
 * `caching.of`.
 *
 * @example
 * const find = caching.of(service, 'find');
 * const found = await find.peek('42'); // { value: { ... }, tier: 'l2', ageMs: 1200, ttlMs: 58800, tags: ['users'], stale: false }
 * await find.refresh('42');
 */
export class CachedHandle<A extends readonly unknown[], R> {
  readonly #host: CacheHost;
  readonly #method: CachedMethod;
  readonly #self: unknown;

  /** @internal made by `caching.of` */
  constructor(host: CacheHost, method: CachedMethod, self: unknown) {
    this.#host = host;
    this.#method = method;
    this.#self = self;
  }

  /**
   * The logical key of a call, as the plain verbs take it: without the parts of the context.
   *
   * @throws KeyError
   * @example
   * await caching.cache.has(caching.of(service, 'find').key('42'));
   */
  key(...args: A): string {
    return this.#method.keyOf(this.#self, [...args]);
  }

  /**
   * Returns what is stored for a call, and how old it is. Runs no method, and stores nothing. A value after its ttl is
   * returned with `stale: true` while `grace` lasts.
   *
   * @returns undefined if nothing is stored that a call may return
   * @throws KeyError for arguments without a valid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer
   */
  async peek(...args: A): Promise<Peeked<R> | undefined> {
    return this.#engine.inspect(this.#callOf(args)) as Promise<Peeked<R> | undefined>;
  }

  /**
   * Runs the method now, and replaces what is stored. A load that was started earlier, in any process, stores nothing any
   * more, and an invalidation during the call wins. Other calls get the old value until the new one is stored; if there is
   * none, they wait for this load. If it fails, the entry is as before.
   *
   * If the store does not answer, the result is returned and not stored. With `when`, a call that is not cached only runs
   * the method.
   *
   * @returns the result of the method
   * @throws KeyError for arguments without a valid key; MissingContextError
   * @throws what the method throws, and what a cached call throws
   * @see G1, G5 in docs/coherence.md
   */
  async refresh(...args: A): Promise<R> {
    if (!this.#method.applies(this.#self, [...args])) return this.original(...args);
    return this.#engine.refresh(this.#callOf(args)) as Promise<R>;
  }

  /**
   * Invalidates the entry of a call, as `caching.cache.invalidate({ keys })` does.
   *
   * @throws KeyError for arguments without a valid key; MissingContextError
   * @see G1, G3 in docs/coherence.md
   */
  async invalidate(...args: A): Promise<Acknowledgement> {
    const { key, method } = this.#callOf(args);
    return acknowledgementOf(await this.#engine.invalidate({ keys: [key], tags: [], all: false }, method));
  }

  /** Runs the method as if `@Cached` were not there. Decorators below it apply, those above it do not. */
  async original(...args: A): Promise<R> {
    return runOriginal(this.#method, this.#self, args) as Promise<R>;
  }

  /**
   * Says in words what a call would do now, and why. For logs and debugging: the words may change. Runs no method, stores
   * nothing and publishes no event.
   *
   * @returns a text that begins with `hit`, `stale`, `miss`, `uncached` or `rejects`
   * @example
   * await caching.of(service, 'find').explain('42'); // "miss: the tag 'users' was invalidated since the value was loaded."
   */
  async explain(...args: A): Promise<string> {
    const engine = this.#engine;
    if (engine.enabled && !this.#applies(args)) {
      return 'uncached: when of the decorator returns false, so the method runs.';
    }
    try {
      return await engine.explain(this.#callOf(args));
    } catch (error) {
      if (!(error instanceof KeyError || error instanceof MissingContextError)) throw error;
      const bypasses = error instanceof KeyError && !this.#method.rejectsKeyErrors(this.#self);
      return bypasses
        ? `uncached: the call has no valid key, so the method runs. ${error.message}`
        : `rejects: the call has no valid key. ${error.message}`;
    }
  }

  #applies([first, ...rest]: readonly unknown[]): boolean {
    const method = this.#method;
    return method.applies(this.#self, [method.many === undefined ? first : [first], ...rest]);
  }

  get #engine(): CacheHost['engines']['cache'] {
    return this.#host.engines.cache;
  }

  #callOf(args: A): ReturnType<CachedMethod['callOf']> {
    return this.#method.callOf(this.#host, this.#self, [...args]);
  }
}

/** A method that finds no `Caching` has handles all the same: they are given one. */
function cachingOf(host: CacheHost, method: CachedMethod, service: unknown): object {
  try {
    return method.cachingOf(service);
  } catch (error) {
    if (error instanceof MissingCachingError) return host;
    throw error;
  }
}

/**
 * A handle on one method with `@CachedMany`, of one instance: what is stored for its ids. Made by `caching.ofMany`.
 *
 * @example
 * const findMany = caching.ofMany(service, 'findMany');
 * await findMany.peek('42'); // { value: { ... }, tier: 'l2', ageMs: 1200, ttlMs: 58800, tags: [], stale: false }
 * await findMany.refresh(['42', '43']);
 */
export class CachedManyHandle<A extends readonly unknown[], R> {
  readonly #host: CacheHost;
  readonly #method: CachedMethod;
  readonly #self: unknown;
  readonly #one: CachedHandle<ArgumentsOfOne<A>, ValueOf<R> | undefined>;

  /** @internal made by `caching.ofMany` */
  constructor(host: CacheHost, method: CachedMethod, self: unknown) {
    this.#host = host;
    this.#method = method;
    this.#self = self;
    this.#one = new CachedHandle(host, method, self);
  }

  /**
   * The logical key of an id, as the plain verbs take it: without the parts of the context. It takes the id, and the other
   * arguments of the method.
   *
   * @throws KeyError
   * @example
   * await caching.cache.has(caching.ofMany(service, 'findMany').key('42'));
   */
  key(...args: ArgumentsOfOne<A>): string {
    return this.#one.key(...args);
  }

  /**
   * Returns what is stored for an id, and how old it is, as a handle on a method with `@Cached` does. Runs no method, and stores
   * nothing. That the id has no value may be stored, too: then `value` is undefined.
   *
   * @returns undefined if nothing is stored that a call may return
   * @throws KeyError for arguments without a valid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer
   */
  async peek(...args: ArgumentsOfOne<A>): Promise<Peeked<ValueOf<R> | undefined> | undefined> {
    return this.#one.peek(...args);
  }

  /**
   * Runs the method now with all ids, each once and in chunks of `chunkSize`, and replaces what is stored for them. For each id
   * holds what holds for the refresh of a method with `@Cached`. If the method fails, the entries are as before.
   *
   * @returns the values of the ids, in the form that the method returns
   * @throws KeyError for arguments without a valid key; MissingContextError; OptionsError if the first is no list
   * @throws what the method throws, and what a cached call throws
   * @see G1, G5 in docs/coherence.md
   */
  async refresh(...args: A): Promise<R> {
    if (!this.#method.applies(this.#self, [...args])) return this.original(...args);
    return this.#method.many!.refresh(this.#host, this.#self, [...args]) as Promise<R>;
  }

  /**
   * Invalidates the entries of the ids, in one round trip, as `caching.cache.invalidate({ keys })` does.
   *
   * @throws KeyError for arguments without a valid key; MissingContextError; OptionsError if the first is no list
   * @see G1, G3 in docs/coherence.md
   */
  async invalidate(...args: A): Promise<Acknowledgement> {
    const { keys, method } = this.#method.many!.targetOf(this.#host, this.#self, [...args]);
    if (keys.length === 0) return { acknowledged: true };
    const target = { keys, tags: [], all: false };
    return acknowledgementOf(await this.#host.engines.cache.invalidate(target, method));
  }

  /** Runs the method as if `@CachedMany` were not there. Decorators below it apply, those above it do not. */
  async original(...args: A): Promise<R> {
    return runOriginal(this.#method, this.#self, args) as Promise<R>;
  }

  /**
   * Says in words what a call would do now for an id, and why. For logs and debugging: the words may change. Runs no method,
   * stores nothing and publishes no event.
   *
   * @returns a text that begins with `hit`, `stale`, `miss`, `uncached` or `rejects`
   * @example
   * await caching.ofMany(service, 'findMany').explain('42'); // 'miss: nothing is stored.'
   */
  async explain(...args: ArgumentsOfOne<A>): Promise<string> {
    return this.#one.explain(...args);
  }
}

function runOriginal(method: CachedMethod, self: unknown, args: readonly unknown[]): Promise<unknown> {
  // guard: original-call-has-unknown-tags
  return runUncached(() => method.run(self, [...args]));
}

/**
 * Finds the method of `caching.of`.
 *
 * @throws OptionsError if the method has no `@Cached`, or its calls use another `Caching`
 */
export function handleOn<A extends readonly unknown[], R>(
  host: CacheHost,
  service: unknown,
  name: PropertyKey,
): CachedHandle<A, R> {
  return new CachedHandle(host, methodOf(host, service, name, 'of'), service);
}

/**
 * Finds the method of `caching.ofMany`.
 *
 * @throws OptionsError if the method has no `@CachedMany`, or its calls use another `Caching`
 */
export function manyHandleOn<A extends readonly unknown[], R>(
  host: CacheHost,
  service: unknown,
  name: PropertyKey,
): CachedManyHandle<A, R> {
  return new CachedManyHandle(host, methodOf(host, service, name, 'ofMany'), service);
}

const OTHER = { of: 'ofMany', ofMany: 'of' } as const;
const DECORATOR = { of: '@Cached', ofMany: '@CachedMany' } as const;

function methodOf(host: CacheHost, service: unknown, name: PropertyKey, verb: 'of' | 'ofMany'): CachedMethod {
  const label = `caching.${verb}(service, ${describe(name)})`;
  const decorator = DECORATOR[verb];
  if ((typeof service !== 'object' && typeof service !== 'function') || service === null) {
    throw new OptionsError(
      `${label} takes an instance, or a class with a static method, and ${describe(service)} was given.`,
    );
  }
  const value = (service as Record<PropertyKey, unknown>)[name];
  const method = cachedMethodOf(value);
  if (method === undefined) {
    const what =
      typeof value === 'function'
        ? `a method without ${decorator}, or one that was replaced`
        : describe(value);
    throw new OptionsError(
      `${label} is a handle on a method with ${decorator}, and ${String(name)} of ${describe(service)} is ${what}. ` +
        `Decorate the method with ${decorator}, and pass the instance itself.`,
    );
  }
  // guard: handle-has-the-form-of-its-method
  if ((method.many !== undefined) !== (verb === 'ofMany')) {
    throw new OptionsError(
      `${label} is a handle on a method with ${decorator}, and ${String(name)} has ${DECORATOR[OTHER[verb]]}. Call ` +
        `caching.${OTHER[verb]}(service, ${describe(name)}).`,
    );
  }
  // guard: handle-is-on-the-caching-of-its-method
  if (cachingOf(host, method, service) !== host) {
    throw new OptionsError(
      `${label} is a handle on the entries of this Caching, and calls of ${method.label(service)} use another one. Call ` +
        `${verb}() on that one.`,
    );
  }
  return method;
}
