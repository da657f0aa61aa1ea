import { readBatch, type BatchResult } from './batch-load.js';
import type { CacheCall, LookupResult, Sample } from './cache-call.js';
import type { CacheEngine } from './cache-engine.js';
import { acknowledgementOf, type Acknowledgement } from './acknowledgement.js';
import type { CacheHost } from './cached-method.js';
import { keysOfReferences, type EntryReference } from './entry-reference.js';
import { describe } from '../shared/describe.js';
import { invalidationQueued, OptionsError } from '../shared/errors.js';
import type { ContextOfCall, KeyContext } from '../keys/context.js';
import { logicalKey, type Key } from '../keys/key.js';
import {
  abortSignal,
  callback,
  duration,
  flag,
  integer,
  list,
  oneOf,
  parseOptions,
  type ParsedOptions,
  unchecked,
  type Option,
} from '../shared/option-schema.js';
import { cacheOptions, safeDuration, type CacheOptions, type OnUnavailable } from './cache-options.js';
import type { InvalidationTarget } from './pending-invalidations.js';
import type { Duration } from '../shared/duration.js';
import { resultTtlOf, ttlOrFunction } from './result-ttl.js';
import { joinTags, normaliseTags } from './tags.js';
import { readOptions, valueOptions, type ReadOptions, type ValueOptions } from './value-options.js';
import { replicaWaitOf, type WaitReplicasOptions } from './wait-replicas.js';

export type { Key } from '../keys/key.js';

export interface SetOptions extends CacheOptions, ValueOptions<unknown> {
  /** Labels by which entries can be invalidated together: at most 1,000 strings. @default none */
  readonly tags?: readonly string[] | undefined;
  /**
   * Tags that have no parts of the context: an invalidation with `caching.verbs({ context: false })` or with
   * `@Invalidates({ context: false })` ends the entries of all contexts (docs/context.md).
   * @default none
   */
  readonly sharedTags?: readonly string[] | undefined;
}

export interface GetOrSetOptions<T> extends Omit<CacheOptions, 'ttl'>, ValueOptions<T> {
  /**
   * How long a value may be returned, counted from the start of its load: 1 ms or more. Or a function of the loaded value that
   * returns it; 0: the value is not stored. It is called for `null` and `undefined` if there is no `negativeTtl`. If it throws,
   * or returns no duration, the call rejects and the value is not stored. It is not called when the loader runs uncached.
   * @default that of the defaults
   */
  readonly ttl?: Duration | ((value: T) => Duration) | undefined;
  /**
   * Labels by which entries can be invalidated together: a list of at most 1,000 strings, or a function of the loaded
   * value that returns one. If the function throws, the call rejects with that error and the value is not stored. The
   * function is not called when the loader runs uncached.
   * @default none
   */
  readonly tags?: readonly string[] | ((value: T) => readonly string[]) | undefined;
  /**
   * Tags that have no parts of the context: an invalidation with `caching.verbs({ context: false })` or with
   * `@Invalidates({ context: false })` ends the entries of all contexts (docs/context.md).
   * @default none
   */
  readonly sharedTags?: readonly string[] | undefined;
  /**
   * Returns true for a value that is returned and not stored. If it throws, the call rejects with that error and the
   * value is not stored. It is not called when the loader runs uncached.
   * @default every value is stored
   */
  readonly unless?: ((value: T) => boolean) | undefined;
  /**
   * Ends this call: it rejects with the reason of the signal. The load goes on for the other calls that wait for it; if there
   * are none, the signal of the load aborts (`currentLoad`).
   * @default none
   */
  readonly signal?: AbortSignal | undefined;
}

export interface GetOrSetManyOptions<Id, T> extends Omit<CacheOptions, 'ttl'>, ValueOptions<T> {
  /**
   * How long a value may be returned, counted from the start of its load: 1 ms or more. Or a function of the loaded value and
   * its id that returns it; 0: the value is not stored. It is called with undefined for an id without a value, if there is no
   * `negativeTtl`.
   * @default that of the defaults
   */
  readonly ttl?: Duration | ((value: T | undefined, id: Id) => Duration) | undefined;
  /** The key of an id: a complete key, or its parts. It must be that of other calls for the same value. */
  readonly key: (id: Id) => Key;
  /**
   * Labels by which entries can be invalidated together: a list of at most 1,000 strings, or a function of a loaded value and
   * its id that returns one.
   * @default none
   */
  readonly tags?: readonly string[] | ((value: T, id: Id) => readonly string[]) | undefined;
  /** Tags that have no parts of the context (docs/context.md). @default none */
  readonly sharedTags?: readonly string[] | undefined;
  /** Returns true for a value that is returned and not stored. @default every value is stored */
  readonly unless?: ((value: T, id: Id) => boolean) | undefined;
  /**
   * The id of a value, if the loader returns a list in another order, or without the ids that it has not found.
   * @default a list has one value for each id, in the order of the ids
   */
  readonly idOf?: ((value: T) => Id) | undefined;
  /** How many ids the loader is called with at most: 1 or more. @default all that are missing */
  readonly chunkSize?: number | undefined;
}

export interface PutOptions<T> extends Omit<CacheOptions, 'ttl'>, ValueOptions<T> {
  /**
   * How long the result may be returned, counted from the start of the write: 1 ms or more. Or a function of the result that
   * returns it; 0: the result is not stored.
   * @default that of the defaults
   */
  readonly ttl?: Duration | ((value: T) => Duration) | undefined;
  /**
   * Labels by which entries can be invalidated together: a list of at most 1,000 strings, or a function of the result that
   * returns one.
   * @default none
   */
  readonly tags?: readonly string[] | ((value: T) => readonly string[]) | undefined;
  /** Tags that have no parts of the context (docs/context.md). @default none */
  readonly sharedTags?: readonly string[] | undefined;
  /** Returns true for a result that is not stored: the entry is invalidated. @default every result is stored */
  readonly unless?: ((value: T) => boolean) | undefined;
  /**
   * What happens if the store confirms neither the new entry nor an invalidation. `queue`: the result is returned, and the
   * invalidation is retried in the background. `throw`: the same, but the call rejects with an InvalidationError that has the
   * result. With `safe`: if the store does not confirm the mark, the write is not started.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /**
   * Makes the put survive the death of this process: 1 s to 1 h, such as `'30s'`. The entry is marked before the write, in the
   * same round trip: until it has ended, every process loads it and stores nothing. If the write fails, what was stored is valid
   * again. If the process dies, the mark ends after this time, and the entry with it.
   * @default no mark: if the process dies between a commit and the put, the old value is returned until its ttl ends
   */
  readonly safe?: Duration | undefined;
}

export interface InvalidateOptions {
  /**
   * What happens if the store is unavailable. `queue`: the call resolves with `acknowledged: false`, and the invalidation
   * is retried in the background. `throw`: the call rejects with an InvalidationError, and the invalidation is retried as
   * well.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /**
   * Sends the invalidation a second time after this delay: for loads that read a replica of the database which lags behind
   * (docs/transactions.md).
   * @default never
   */
  readonly repeatAfter?: Duration | undefined;
  /**
   * Waits until replicas of Redis have the invalidation, and reports how many have it: after a failover to another replica an
   * old value may come back (docs/transactions.md). If fewer have it, an `underReplicated` event is published, too. It costs a
   * second invalidation on a connection of its own. Within a transaction the commit waits for them.
   * @default not waited for
   */
  readonly waitReplicas?: WaitReplicasOptions | undefined;
}

export interface InvalidateAroundOptions {
  /**
   * How long the entries stay marked if this process dies while the write runs: 1 s to 1 h. Until then reads load, and store
   * nothing; then the entries are gone. While the process lives, the mark is renewed.
   */
  readonly safe: Duration;
  /**
   * What happens if the store is unavailable. `queue`: the write runs without the mark, and its invalidation is queued. `throw`:
   * the write is not started; if the invalidation after it is not confirmed, the call rejects with an InvalidationError that has
   * the result.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
}

/** A value and where it was found: in the memory of this process (`l1`) or in the store (`l2`). */
export interface Found<T> {
  readonly value: T;
  readonly tier: 'l1' | 'l2';
}

/** Which entries an invalidation covers. Those of all options together. */
export interface InvalidationTargetOptions {
  /** The entries with these keys. @default none */
  readonly keys?: readonly Key[] | undefined;
  /** The entries of calls of decorated methods: references made by `entry`. @default none */
  readonly entries?: readonly EntryReference[] | undefined;
  /** All entries that have at least one of these tags, of which there are at most 1,000. @default none */
  readonly tags?: readonly string[] | undefined;
  /** True: all entries of the namespace. @default false */
  readonly all?: boolean | undefined;
}

/** The schemas of the interfaces above. */
export const setOptions = {
  ...cacheOptions,
  ...valueOptions,
  tags: unchecked<readonly string[]>('a list of strings'),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
} satisfies Record<keyof SetOptions, Option<unknown>>;

export const getOrSetOptions = {
  ...cacheOptions,
  ...valueOptions,
  ttl: ttlOrFunction,
  tags: unchecked<readonly string[] | ((value: never) => readonly string[])>(
    'a list of strings, or a function',
  ),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
  unless: callback<(value: never) => boolean>(),
  signal: abortSignal(),
} satisfies Record<keyof GetOrSetOptions<unknown>, Option<unknown>>;

export const getOrSetManyOptions = {
  ...cacheOptions,
  ...valueOptions,
  ttl: ttlOrFunction,
  key: callback<(id: never) => Key>(),
  tags: unchecked<readonly string[] | ((value: never, id: never) => readonly string[])>(
    'a list of strings, or a function',
  ),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
  unless: callback<(value: never, id: never) => boolean>(),
  idOf: callback<(value: never) => unknown>(),
  chunkSize: integer({ min: 1 }),
} satisfies Record<keyof GetOrSetManyOptions<unknown, unknown>, Option<unknown>>;

export const putOptions = {
  ...cacheOptions,
  ...valueOptions,
  ttl: ttlOrFunction,
  tags: unchecked<readonly string[] | ((value: never) => readonly string[])>(
    'a list of strings, or a function',
  ),
  sharedTags: unchecked<readonly string[]>('a list of strings'),
  unless: callback<(value: never) => boolean>(),
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
  safe: safeDuration,
} satisfies Record<keyof PutOptions<unknown>, Option<unknown>>;

export const invalidationTarget = {
  keys: list<Key>('a list of keys'),
  entries: list<EntryReference>('a list of references made by entry(...)'),
  tags: unchecked<readonly string[]>('a list of strings'),
  all: flag(false),
} satisfies Record<keyof InvalidationTargetOptions, Option<unknown>>;

export const invalidateOptions = {
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
  repeatAfter: duration({ min: 1 }),
  waitReplicas: unchecked<WaitReplicasOptions>('an object of options'),
} satisfies Record<keyof InvalidateOptions, Option<unknown>>;

export const invalidateAroundOptions = {
  safe: safeDuration,
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
} satisfies Record<keyof InvalidateAroundOptions, Option<unknown>>;

/** What a loader without arguments loads is its own affair. */
const SAMPLE: Sample = { hasItsKey: () => true };

/**
 * The plain verbs behind `@Cached` and `@Invalidates`: `caching.cache`.
 *
 * @example
 * const user = await caching.cache.getOrSet('user:42', () => db.user('42'), { ttl: '15m', tags: ['users'] });
 * await caching.cache.invalidate({ tags: ['users'] });
 */
export class Cache {
  readonly #host: CacheHost;
  readonly #engine: CacheEngine;
  readonly #context: KeyContext | undefined;

  /** @internal made by `new Caching(...)` */
  constructor(host: CacheHost, context?: KeyContext) {
    this.#host = host;
    this.#engine = host.engines.cache;
    this.#context = context;
  }

  /**
   * Returns the value at `key`. If no valid value is stored, `loader` runs and its value is stored. Calls that miss at the
   * same time share one load, in this process and across processes.
   *
   * If the store does not answer within `storeTimeout`, the loader runs and its value is returned but not stored; the
   * failure is published as an `error` event and is not thrown. If the `Caching` is not enabled, the loader always runs.
   *
   * @throws OptionsError for invalid options and a missing ttl
   * @throws KeyError for an invalid key or tag; MissingContextError
   * @throws ValueError for a loaded value that would not come back equal, unless `onUnsupported` is `'bypass'`
   * @throws LoadShedError if `maxConcurrentLoads` of the `Caching` is reached, and the load does not start in time
   * @throws what `loader`, `unless` and the functions `ttl` and `tags` throw
   * @see G1, G3, G4, G5, G6, G7, G10 in docs/coherence.md
   * @example
   * const user = await caching.cache.getOrSet('user:42', () => db.user('42'), { ttl: '15m', tags: ['users'] });
   */
  async getOrSet<T>(key: Key, loader: () => Promise<T> | T, options: GetOrSetOptions<T> = {}): Promise<T> {
    const call = this.#callOf(
      'getOrSet',
      parseOptions(getOrSetOptions, options, 'getOrSet'),
      key,
      loader,
      options,
    );
    return this.#engine.read(this.#engine.samples(call.policy) ? { ...call, sample: SAMPLE } : call);
  }

  /**
   * Returns the values of several ids. The entries are looked up together, and the ids that are missing are loaded together.
   * Each id is stored under its own key, with a lease and a fence of its own, and shares a running load with `getOrSet` and
   * `@Cached` of the same key.
   *
   * @param loader is called with the ids that are missing, each once. Returns a Map, an object by id, or a list (`idOf`)
   * @returns the values by id, in the order of the ids. Ids without a value, or with the value undefined, are left out. That
   * an id has none is stored for `negativeTtl`
   * @throws OptionsError for invalid options, a missing ttl, and a result of another form
   * @throws KeyError for an invalid key or tag; MissingContextError
   * @throws what `loader` and the functions of the options throw
   * @see I23 in docs/coherence.md
   * @example
   * const users = await caching.cache.getOrSetMany(['42', '43'], (ids) => db.users(ids), {
   *   key: (id) => `user:${id}`,
   *   ttl: '15m',
   * });
   */
  async getOrSetMany<Id, T>(
    ids: readonly Id[],
    loader: (ids: Id[]) => Promise<BatchResult<Id, T>> | BatchResult<Id, T>,
    options: GetOrSetManyOptions<Id, T>,
  ): Promise<Map<Id, T>> {
    const label = 'getOrSetMany';
    if (!Array.isArray(ids))
      throw new OptionsError(`${label} takes a list of ids, and ${describe(ids)} was given.`);
    const parsed = parseOptions(getOrSetManyOptions, options, label);
    const { key, tags, sharedTags, unless, idOf, chunkSize } = options;
    if (key === undefined) throw new OptionsError(`${label} needs the option key: a function of an id.`);
    const policy = this.#engine.policy(parsed, label);
    const context = this.#context?.read(label);
    const fixedTags = tagsIn(context, typeof tags === 'function' ? undefined : tags, sharedTags, label);
    const values = await readBatch<Id, T>(this.#engine, {
      calls: ids.map((id) => ({
        id,
        own: {
          key: keyIn(context, key(id), label),
          tags: fixedTags,
          resultTags:
            typeof tags !== 'function'
              ? undefined
              : (value) => (value === undefined ? [] : tagsIn(context, tags(value, id), undefined, label)),
          resultTtl: resultTtlOf(parsed.ttl, label, undefined, (value) => [value, id]),
          unless: unless === undefined ? undefined : (value) => value !== undefined && unless(value, id),
          policy,
          signal: undefined,
          method: undefined,
          site: undefined,
          sample: this.#engine.samples(policy) ? SAMPLE : undefined,
        },
      })),
      load: async (missing) => loader(missing),
      idOf,
      chunkSize,
      label: `The loader of ${label}`,
    });
    const found = new Map<Id, T>();
    ids.forEach((id, i) => {
      if (values[i] !== undefined) found.set(id, values[i]);
    });
    return found;
  }

  /**
   * Returns the value at `key`, or undefined if no valid value is stored. Use `has` to tell a stored `undefined` from a
   * missing value.
   *
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer: that is not the same as a missing value
   * @example
   * const user = await caching.cache.get<User>('user:42');
   */
  async get<T = unknown>(key: Key, options?: ReadOptions<T>): Promise<T | undefined> {
    const found = await this.#peek(key, options, 'get');
    return found.status === 'hit' ? (found.value as T) : undefined;
  }

  /**
   * Returns the value at `key` and where it was found: `l1`, the memory of this process, or `l2`, the store. Undefined if no
   * valid value is stored.
   *
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer
   * @example
   * const found = await caching.cache.peek<User>('user:42'); // { value: { ... }, tier: 'l2' }
   */
  async peek<T = unknown>(key: Key, options?: ReadOptions<T>): Promise<Found<T> | undefined> {
    const found = await this.#peek(key, options, 'peek');
    return found.status === 'hit' ? { value: found.value as T, tier: found.tier } : undefined;
  }

  /**
   * Returns true if a valid value is stored at `key`.
   *
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer
   * @example
   * if (!(await caching.cache.has('user:42'))) await warm('42');
   */
  async has(key: Key, options?: ReadOptions): Promise<boolean> {
    return (await this.#peek(key, options, 'has')).status === 'hit';
  }

  /**
   * Reads several keys in one round trip (Cluster: one for each node). Returns a Map by the keys as they were passed;
   * keys without a valid value are left out.
   *
   * @throws OptionsError for anything but a list
   * @throws KeyError for an invalid key; MissingContextError
   * @throws StoreUnavailableError if the store does not answer
   * @example
   * const users = await caching.cache.getMany<User>(['user:42', 'user:43']);
   */
  async getMany<T = unknown, K extends Key = Key>(
    keys: readonly K[],
    options?: ReadOptions<T>,
  ): Promise<Map<K, T>> {
    if (!Array.isArray(keys)) {
      throw new OptionsError(`getMany takes a list of keys, and ${describe(keys)} was given.`);
    }
    const found = await Promise.all(keys.map((key) => this.#peek(key, options, 'getMany')));
    const values = new Map<K, T>();
    found.forEach((one, i) => {
      if (one.status === 'hit') values.set(keys[i]!, one.value as T);
    });
    return values;
  }

  /**
   * Stores a value in place of the stored one. A load of this key that is in progress is not stored any more. An
   * invalidation that arrives during the call wins.
   *
   * @returns true if the value was stored. False if it was not: it was invalidated meanwhile, is larger than
   * `maxValueBytes`, is unsupported under `onUnsupported: 'bypass'`, has a ttl of 0, or the `Caching` is not enabled. Within
   * `caching.transaction` it is not stored either: its key is invalidated after the commit
   * @throws OptionsError for invalid options and a missing ttl
   * @throws KeyError for an invalid key or tag; MissingContextError
   * @throws ValueError for a value that would not come back equal, unless `onUnsupported` is `'bypass'`
   * @throws StoreUnavailableError if the store does not answer
   * @example
   * await caching.cache.set('user:42', user, { ttl: '15m', tags: ['users'] });
   */
  async set(key: Key, value: unknown, options: SetOptions = {}): Promise<boolean> {
    const label = 'set';
    const parsed = parseOptions(setOptions, options, label);
    const context = this.#context?.read(label);
    const call = {
      key: keyIn(context, key, label),
      load: async () => value,
      tags: tagsIn(context, options.tags, options.sharedTags, label),
      resultTags: undefined,
      signal: undefined,
      unless: undefined,
      policy: this.#engine.policy(parsed, label),
      bulkhead: undefined,
      method: undefined,
      site: undefined,
    };
    return this.#engine.set(call, value);
  }

  /**
   * Runs a write, and stores its result in place of the entry. Loads of the key that are in progress are not stored any more.
   * While the write runs, a value that is stored already is still returned, as it is until the end of a write with
   * `invalidate`. With `safe` it is not.
   *
   * If another put or an invalidation of the key arrives while the write runs, the order of the writes is not known: then the
   * entry is invalidated, and the next call loads it. So it is if the store does not answer, if `unless` returns true, and if
   * the value is not stored for another reason. If the write fails, nothing is changed. Within `caching.transaction` the result
   * is not stored either: the key is invalidated after the commit.
   *
   * @returns the result of the write
   * @throws what `write` throws
   * @throws OptionsError for invalid options and a missing ttl, KeyError for an invalid key, MissingContextError: before the
   * write
   * @throws InvalidationError, which has the result, if the result cannot be stored: `tags` or `unless` throws, or it would not
   * come back equal, unless `onUnsupported` is `'bypass'`; and under `onUnavailable: 'throw'`
   * @see G1, G2, G11, G12 in docs/coherence.md
   * @example
   * const user = await caching.cache.put('user:42', () => db.rename('42', 'Ann'), { ttl: '15m' });
   */
  async put<T>(key: Key, write: () => Promise<T> | T, options: PutOptions<T> = {}): Promise<T> {
    const parsed = parseOptions(putOptions, options, 'put');
    const { onUnavailable = 'queue', safe } = parsed;
    return this.#engine.put(this.#callOf('put', parsed, key, write, options), onUnavailable, safe);
  }

  /**
   * Invalidates entries by key, by tag, or all of the namespace, in one round trip. After the promise resolves with
   * `acknowledged: true`, no read that starts later, in any process, returns an invalidated value, and no load that
   * started earlier stores one.
   *
   * Within `caching.transaction` it is sent after the commit: the promise resolves at once, with `deferred: true`.
   *
   * @throws OptionsError for invalid options
   * @throws KeyError for an invalid key or tag; MissingContextError
   * @throws InvalidationError if the store is unavailable and `onUnavailable` is `'throw'`; its `cause` is the
   * StoreUnavailableError
   * @see G1, G3, G7 in docs/coherence.md
   * @example
   * const { acknowledged } = await caching.cache.invalidate({ keys: ['user:42'], tags: ['org:7'] });
   */
  async invalidate(
    target: InvalidationTargetOptions,
    options: InvalidateOptions = {},
  ): Promise<Acknowledgement> {
    const { onUnavailable, repeatAfter, waitReplicas } = parseOptions(
      invalidateOptions,
      options,
      'the options of invalidate',
    );
    const wait = replicaWaitOf(waitReplicas, 'invalidate');
    const covered = this.#targetOf(target, 'invalidate');
    const sent = await this.#engine.invalidate(covered, undefined, { repeatAfter, wait });
    if (sent.failure !== undefined && onUnavailable === 'throw')
      throw invalidationQueued(sent.failure, undefined);
    return acknowledgementOf(sent);
  }

  /**
   * Runs a write, and invalidates entries after it, also if this process dies before it has. The entries are marked before the
   * write runs: until it has ended, every process loads them and stores nothing. If the write fails, what was stored is valid
   * again. If the process dies, the mark ends after `safe`, and the entries with it.
   *
   * @returns the result of the write
   * @throws what `write` throws
   * @throws OptionsError for invalid options; KeyError for an invalid key or tag; MissingContextError: before the write
   * @throws InvalidationError under `onUnavailable: 'throw'`
   * @see G12 in docs/coherence.md
   * @example
   * await caching.cache.invalidateAround({ keys: ['user:42'] }, () => db.rename('42', 'Ann'), { safe: '30s' });
   */
  async invalidateAround<T>(
    target: InvalidationTargetOptions,
    write: () => Promise<T> | T,
    options: InvalidateAroundOptions,
  ): Promise<T> {
    const label = 'invalidateAround';
    const { safe, onUnavailable = 'queue' } = parseOptions(invalidateAroundOptions, options, label);
    if (safe === undefined) {
      throw new OptionsError(
        `${label} needs the option safe, how long its entries stay marked: safe: '30s'.`,
      );
    }
    const marked = this.#targetOf(target, label);
    return this.#engine.invalidateAround({
      marked,
      safe,
      work: async () => write(),
      targetOf: () => marked,
      onUnavailable,
      method: undefined,
    });
  }

  #targetOf(target: InvalidationTargetOptions, label: string): InvalidationTarget {
    const { keys = [], entries = [], tags, all = false } = parseOptions(invalidationTarget, target, label);
    // What covers all contexts needs none.
    const isNamed = keys.length > 0 || tags !== undefined;
    const context = isNamed ? this.#context?.read(label) : undefined;
    return {
      keys: [
        ...keys.map((key) => keyIn(context, key, label)),
        ...keysOfReferences(this.#host, entries, `entries of ${label}`),
      ],
      tags: tagsIn(context, tags, undefined, label),
      all,
    };
  }

  /**
   * Invalidates all entries of the namespace, of all contexts, with one write, whatever their number. The same as
   * `invalidate({ all: true })`.
   *
   * @throws OptionsError for invalid options
   * @throws InvalidationError if the store is unavailable and `onUnavailable` is `'throw'`
   * @example
   * await caching.cache.clear();
   */
  async clear(options: InvalidateOptions = {}): Promise<Acknowledgement> {
    return this.invalidate({ all: true }, options);
  }

  #callOf<T>(
    label: string,
    parsed: ParsedOptions<typeof getOrSetOptions | typeof putOptions>,
    key: Key,
    load: () => Promise<T> | T,
    options: GetOrSetOptions<T> | PutOptions<T>,
  ): CacheCall<T> {
    const { tags, sharedTags } = options;
    const context = this.#context?.read(label);
    return {
      key: keyIn(context, key, label),
      load: async () => load(),
      tags: tagsIn(context, typeof tags === 'function' ? undefined : tags, sharedTags, label),
      resultTags:
        typeof tags === 'function'
          ? (value, set) =>
              tagsIn(context, set.length === 0 ? tags(value) : [...tags(value), ...set], undefined, label)
          : undefined,
      resultTtl: resultTtlOf<T>(parsed.ttl, label, undefined, (value) => [value]),
      unless: options.unless,
      policy: this.#engine.policy(parsed, label),
      bulkhead: undefined,
      signal: 'signal' in options ? options.signal : undefined,
      method: undefined,
      site: undefined,
    };
  }

  async #peek(key: Key, options: ReadOptions | undefined, label: string): Promise<LookupResult> {
    const text = keyIn(this.#context?.read(label), key, label);
    if (options === undefined) return this.#engine.peek(text);
    return this.#engine.peek(text, this.#engine.readPolicy(parseOptions(readOptions, options, label)));
  }

  /** True while invalidations are queued because the store was unavailable (docs/invalidation.md). */
  get pending(): boolean {
    return this.#engine.pending;
  }
}

function keyIn(context: ContextOfCall | undefined, key: Key, label: string): string {
  const text = logicalKey(key, label);
  return context === undefined ? text : context.key(text);
}

/** @param shared the tags of all contexts */
function tagsIn(
  context: ContextOfCall | undefined,
  tags: readonly string[] | undefined,
  shared: readonly string[] | undefined,
  label: string,
): readonly string[] {
  const own = normaliseTags(tags, label);
  const named = context === undefined ? own : context.tags(own);
  return shared === undefined ? named : joinTags(named, normaliseTags(shared, label));
}
