import type { Engine } from './engine.js';
import { notTaken } from './errors.js';
import { logicalKey, type Key } from './key.js';
import { checkNames, policyNames, type OnUnavailable, type PolicyOptions } from './options.js';
import { normaliseTags } from './tags.js';

export type { Key } from './key.js';

export interface SetOptions extends PolicyOptions {
  /** Labels by which entries can be invalidated together. */
  readonly tags?: readonly string[] | undefined;
}

export interface GetOrSetOptions<T> extends PolicyOptions {
  /** Labels by which entries can be invalidated together: a list, or made from the loaded value. */
  readonly tags?: readonly string[] | ((value: T) => readonly string[]) | undefined;
  /** True for a value that is returned and not stored. */
  readonly unless?: ((value: T) => boolean) | undefined;
}

export interface InvalidateOptions {
  /**
   * When the store cannot take it: `queue` resolves unacknowledged and retries in the background, `throw`
   * rejects with an InvalidationError (and retries all the same).
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
}

export interface Acknowledgement {
  /** True: the store has done it, and no process returns what it removed. False: it is queued. */
  readonly acknowledged: boolean;
}

/** The plain verbs: everything that `@Cached` and `@Invalidates` do, by hand. */
export class Cache {
  readonly #engine: Engine;

  /** @internal made by `new Caching(...)` */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The value at `key`, or what `loader` makes, stored under the options' ttl. */
  async getOrSet<T>(key: Key, loader: () => Promise<T> | T, options: GetOrSetOptions<T> = {}): Promise<T> {
    checkNames(options, [...policyNames, 'tags', 'unless'], 'getOrSet');
    const { tags } = options;
    return this.#engine.read({
      key: logicalKey(key, 'getOrSet'),
      load: async () => loader(),
      tags: typeof tags === 'function' ? [] : normaliseTags(tags, 'getOrSet'),
      tagsOf: typeof tags === 'function' ? (value) => normaliseTags(tags(value), 'getOrSet') : undefined,
      unless: options.unless,
      policy: this.#engine.policy(options, 'getOrSet'),
      method: undefined,
    });
  }

  /**
   * The value at `key`; undefined where none is stored (or `undefined` is: see `has`).
   * @throws StoreUnavailableError
   */
  async get<T = unknown>(key: Key): Promise<T | undefined> {
    const found = await this.#engine.peek(logicalKey(key, 'get'));
    return found.is === 'hit' ? (found.value as T) : undefined;
  }

  /** @throws StoreUnavailableError */
  async has(key: Key): Promise<boolean> {
    return (await this.#engine.peek(logicalKey(key, 'has'))).is === 'hit';
  }

  /**
   * Those of the keys that are stored, in one round trip (Cluster: one for each node).
   * @throws StoreUnavailableError
   */
  async getMany<T = unknown, K extends Key = Key>(keys: readonly K[]): Promise<Map<K, T>> {
    const found = await Promise.all(keys.map((key) => this.#engine.peek(logicalKey(key, 'getMany'))));
    const values = new Map<K, T>();
    found.forEach((one, i) => {
      if (one.is === 'hit') values.set(keys[i]!, one.value as T);
    });
    return values;
  }

  /**
   * Stores a value. It replaces whatever stands there, a load under way included, but not an invalidation that
   * comes while it is under way.
   * @returns false if it was overtaken, or is too large: it is not stored then
   * @throws StoreUnavailableError, ValueError
   */
  async set(key: Key, value: unknown, options: SetOptions = {}): Promise<boolean> {
    checkNames(options, [...policyNames, 'tags'], 'set');
    return this.#engine.store(
      {
        key: logicalKey(key, 'set'),
        load: async () => value,
        tags: normaliseTags(options.tags, 'set'),
        tagsOf: undefined,
        unless: undefined,
        policy: this.#engine.policy(options, 'set'),
        method: undefined,
      },
      value,
    );
  }

  /**
   * Makes entries count no more, by key, by tag, or all of the namespace. Once the promise resolves
   * acknowledged, no read that starts later in any process returns what it removed, and no load that began
   * earlier brings it back.
   */
  async invalidate(
    target: {
      readonly keys?: readonly Key[] | undefined;
      readonly tags?: readonly string[] | undefined;
      readonly all?: boolean | undefined;
    },
    options: InvalidateOptions = {},
  ): Promise<Acknowledgement> {
    checkNames(target, ['keys', 'tags', 'all'], 'invalidate');
    checkNames(options, ['onUnavailable'], 'the options of invalidate');
    const failure = await this.#engine.drop(
      {
        keys: (target.keys ?? []).map((key) => logicalKey(key, 'invalidate')),
        tags: normaliseTags(target.tags, 'invalidate'),
        all: target.all ?? false,
      },
      undefined,
    );
    if (failure !== undefined && options.onUnavailable === 'throw') {
      throw notTaken(failure, undefined);
    }
    return { acknowledged: failure === undefined };
  }

  /** Makes every entry of the namespace count no more: one write. */
  async clear(options: InvalidateOptions = {}): Promise<Acknowledgement> {
    return this.invalidate({ all: true }, options);
  }

  /** True while invalidations wait for a store that could not take them (docs/invalidation.md). */
  get pending(): boolean {
    return this.#engine.pending;
  }
}
