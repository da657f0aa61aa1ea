import type { CacheEngine } from './cache-engine.js';
import { invalidationQueued } from '../shared/errors.js';
import { logicalKey, type Key } from '../keys/key.js';
import { callback, flag, oneOf, parseOptions, unchecked, type Option } from '../shared/option-schema.js';
import { cacheOptions, type CacheOptions, type OnUnavailable } from './cache-options.js';
import { normaliseTags } from './tags.js';

export type { Key } from '../keys/key.js';

export interface SetOptions extends CacheOptions {
  /** Labels by which entries can be invalidated together. */
  readonly tags?: readonly string[] | undefined;
}

export interface GetOrSetOptions<T> extends CacheOptions {
  /** Labels by which entries can be invalidated together: a list, or made from the loaded value. */
  readonly tags?: readonly string[] | ((value: T) => readonly string[]) | undefined;
  /** True: this value is returned and not stored. */
  readonly unless?: ((value: T) => boolean) | undefined;
}

export interface InvalidateOptions {
  /**
   * When the store cannot take it. `queue`: the call resolves with `acknowledged: false`, and the invalidation is retried
   * in the background. `throw`: the call rejects with an InvalidationError, and the invalidation is retried as well.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
}

export interface Acknowledgement {
  /** True: the store has done it, and no process returns what it invalidated. False: it is queued. */
  readonly acknowledged: boolean;
}

/** What is invalidated. */
export interface InvalidationTargetOptions {
  /** Entries. */
  readonly keys?: readonly Key[] | undefined;
  /** All entries with one of these tags. */
  readonly tags?: readonly string[] | undefined;
  /** All entries of the namespace. @default false */
  readonly all?: boolean | undefined;
}

/** The same as schemas: names, checks and defaults. */
export const setOptions = {
  ...cacheOptions,
  tags: unchecked<readonly string[]>('a list of strings'),
} satisfies Record<keyof SetOptions, Option<unknown>>;

export const getOrSetOptions = {
  ...cacheOptions,
  tags: unchecked<readonly string[] | ((value: never) => readonly string[])>(
    'a list of strings, or a function',
  ),
  unless: callback<(value: never) => boolean>(),
} satisfies Record<keyof GetOrSetOptions<unknown>, Option<unknown>>;

export const invalidationTarget = {
  keys: unchecked<readonly Key[]>('a list of keys'),
  tags: unchecked<readonly string[]>('a list of strings'),
  all: flag(false),
} satisfies Record<keyof InvalidationTargetOptions, Option<unknown>>;

export const invalidateOptions = {
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
} satisfies Record<keyof InvalidateOptions, Option<unknown>>;

/**
 * The plain verbs behind `@Cached` and `@Invalidates`: `caching.cache`.
 *
 * @example
 * const user = await caching.cache.getOrSet('user:42', () => db.user('42'), { ttl: '15m', tags: ['users'] });
 * await caching.cache.invalidate({ tags: ['users'] });
 */
export class Cache {
  readonly #engine: CacheEngine;

  /** @internal made by `new Caching(...)` */
  constructor(engine: CacheEngine) {
    this.#engine = engine;
  }

  /**
   * The value at `key`; if there is none, `loader` runs, once for all callers in all processes, and its value is stored.
   *
   * @throws OptionsError, KeyError, ValueError (the value would not come back equal), and what `loader` throws. A store
   * that fails is not thrown: the loader runs
   * @example
   * const user = await caching.cache.getOrSet('user:42', () => db.user('42'), { ttl: '15m' });
   */
  async getOrSet<T>(key: Key, loader: () => Promise<T> | T, options: GetOrSetOptions<T> = {}): Promise<T> {
    const where = 'getOrSet';
    const given = parseOptions(getOrSetOptions, options, where);
    const { tags } = options;
    return this.#engine.read({
      key: logicalKey(key, where),
      load: async () => loader(),
      tags: typeof tags === 'function' ? [] : normaliseTags(tags, where),
      resultTags: typeof tags === 'function' ? (value) => normaliseTags(tags(value), where) : undefined,
      unless: options.unless,
      policy: this.#engine.policy(given, where),
      method: undefined,
      site: undefined,
    });
  }

  /**
   * The value at `key`; undefined if there is none (or it is `undefined`: see `has`).
   *
   * @throws KeyError, StoreUnavailableError
   * @example
   * const user = await caching.cache.get<User>('user:42');
   */
  async get<T = unknown>(key: Key): Promise<T | undefined> {
    const found = await this.#engine.peek(logicalKey(key, 'get'));
    return found.status === 'hit' ? (found.value as T) : undefined;
  }

  /**
   * Whether there is a value at `key`.
   *
   * @throws KeyError, StoreUnavailableError
   * @example
   * if (!(await caching.cache.has('user:42'))) await warm('42');
   */
  async has(key: Key): Promise<boolean> {
    return (await this.#engine.peek(logicalKey(key, 'has'))).status === 'hit';
  }

  /**
   * The values at these keys, without those that have none, in one round trip (Cluster: one for each node).
   *
   * @throws KeyError, StoreUnavailableError
   * @example
   * const users = await caching.cache.getMany<User>(['user:42', 'user:43']);
   */
  async getMany<T = unknown, K extends Key = Key>(keys: readonly K[]): Promise<Map<K, T>> {
    const found = await Promise.all(keys.map((key) => this.#engine.peek(logicalKey(key, 'getMany'))));
    const values = new Map<K, T>();
    found.forEach((one, i) => {
      if (one.status === 'hit') values.set(keys[i]!, one.value as T);
    });
    return values;
  }

  /**
   * Stores a value. It replaces whatever is there, a load under way included, but not an invalidation that comes
   * meanwhile.
   *
   * @returns false if it is not stored: it was invalidated meanwhile, or is too large
   * @throws OptionsError, KeyError, ValueError, StoreUnavailableError
   * @example
   * await caching.cache.set('user:42', user, { ttl: '15m', tags: ['users'] });
   */
  async set(key: Key, value: unknown, options: SetOptions = {}): Promise<boolean> {
    const where = 'set';
    const given = parseOptions(setOptions, options, where);
    const call = {
      key: logicalKey(key, where),
      load: async () => value,
      tags: normaliseTags(options.tags, where),
      resultTags: undefined,
      unless: undefined,
      policy: this.#engine.policy(given, where),
      method: undefined,
      site: undefined,
    };
    return this.#engine.set(call, value);
  }

  /**
   * Invalidates entries by key, by tag, or all of the namespace. Once the promise resolves with `acknowledged: true`, no
   * read that starts later in any process returns what was invalidated, and no load that began earlier brings it back.
   *
   * @throws OptionsError, KeyError; InvalidationError with `onUnavailable: 'throw'`
   * @example
   * const { acknowledged } = await caching.cache.invalidate({ keys: ['user:42'], tags: ['org:7'] });
   */
  async invalidate(
    target: InvalidationTargetOptions,
    options: InvalidateOptions = {},
  ): Promise<Acknowledgement> {
    const where = 'invalidate';
    const { keys = [], tags, all = false } = parseOptions(invalidationTarget, target, where);
    const { onUnavailable } = parseOptions(invalidateOptions, options, 'the options of invalidate');
    const failure = await this.#engine.invalidate(
      { keys: keys.map((key) => logicalKey(key, where)), tags: normaliseTags(tags, where), all },
      undefined,
    );
    if (failure !== undefined && onUnavailable === 'throw') throw invalidationQueued(failure, undefined);
    return { acknowledged: failure === undefined };
  }

  /**
   * Invalidates all entries of the namespace: one write, whatever their number.
   *
   * @throws OptionsError; InvalidationError with `onUnavailable: 'throw'`
   * @example
   * await caching.cache.clear();
   */
  async clear(options: InvalidateOptions = {}): Promise<Acknowledgement> {
    return this.invalidate({ all: true }, options);
  }

  /** True while invalidations are queued because the store could not take them (docs/invalidation.md). */
  get pending(): boolean {
    return this.#engine.pending;
  }
}
