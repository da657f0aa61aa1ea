import { describe } from '../shared/describe.js';
import { KeyError, MissingCachingError, MissingContextError, OptionsError } from '../shared/errors.js';
import { acknowledgementOf, type Acknowledgement } from './acknowledgement.js';
import { cachedMethodOf, type CachedMethod, type CacheHost } from './cached-method.js';
import type { Peeked } from './inspect.js';
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
    // guard: original-call-has-unknown-tags
    return runUncached(() => this.#method.run(this.#self, [...args])) as Promise<R>;
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
    if (engine.enabled && !this.#method.applies(this.#self, [...args])) {
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
 * Finds the method of a handle.
 *
 * @throws OptionsError if the method has no `@Cached`, or its calls use another `Caching`
 */
export function handleOn<A extends readonly unknown[], R>(
  host: CacheHost,
  service: unknown,
  name: PropertyKey,
): CachedHandle<A, R> {
  const label = `caching.of(service, ${describe(name)})`;
  if ((typeof service !== 'object' && typeof service !== 'function') || service === null) {
    throw new OptionsError(
      `${label} takes an instance, or a class with a static method, and ${describe(service)} was given.`,
    );
  }
  const value = (service as Record<PropertyKey, unknown>)[name];
  const method = cachedMethodOf(value);
  if (method === undefined) {
    const what =
      typeof value === 'function' ? 'a method without @Cached, or one that was replaced' : describe(value);
    throw new OptionsError(
      `${label} is a handle on a method with @Cached, and ${String(name)} of ${describe(service)} is ${what}. ` +
        'Decorate the method with @Cached, and pass the instance itself.',
    );
  }
  // guard: handle-is-on-the-caching-of-its-method
  if (cachingOf(host, method, service) !== host) {
    throw new OptionsError(
      `${label} is a handle on the entries of this Caching, and calls of ${method.label(service)} use another one. Call ` +
        'of() on that one.',
    );
  }
  return new CachedHandle(host, method, service);
}
