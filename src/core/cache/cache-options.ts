import type { Duration } from '../shared/duration.js';
import { OptionsError } from '../shared/errors.js';
import {
  defaultsOf,
  duration,
  flag,
  fraction,
  integer,
  oneOf,
  type Given,
  type Option,
  type Resolved,
} from '../shared/option-schema.js';

/**
 * How entries are loaded and stored. Each option is given on the call or the decorator, or for all of them in
 * `new Caching({ defaults })`; undefined means not given, and null is refused.
 */
export interface CacheOptions {
  /**
   * How long a value may be returned, counted from the start of its load: 1 ms or more. No entry is without one.
   * @default none: it must be given here or in the defaults
   */
  readonly ttl?: Duration | undefined;
  /**
   * The ttl of `null` and `undefined`; 0: they are not stored.
   * @default the ttl
   */
  readonly negativeTtl?: Duration | undefined;
  /**
   * The largest share of the ttl, from 0 to 0.9, that is taken off at random, so that entries stored together do not
   * expire together. It never makes a ttl longer.
   * @default 0.1
   */
  readonly jitter?: number | undefined;
  /**
   * How long a process that dies while it loads keeps other processes from loading the same key. A load that runs
   * longer extends its lease, for at most 20 times this long.
   * @default '5s'
   */
  readonly lease?: Duration | undefined;
  /**
   * How long a call waits for another process that loads the same key before it runs its own load, whose result is
   * returned and not stored. 0: it does not wait.
   * @default '5s'
   */
  readonly lockTimeout?: Duration | undefined;
  /**
   * After how long a load of this process counts as hung: the calls that wait for it begin one new load together, and
   * take whichever ends first. Each further one waits twice as long. 1 ms or more.
   * @default '5s'
   */
  readonly loadTimeout?: Duration | undefined;
  /**
   * What keeps all but one process from loading a cold key. `lease`: a lease in the entry's own key. `lock`: the lock
   * `cache:<key>` as well, for two more round trips; where locks are on servers of their own, a load then runs once
   * even if the entries' server fails over meanwhile. If the lock cannot be acquired in time, the load continues with
   * the lease alone, and an `error` event is published.
   * @default 'lease'
   */
  readonly stampede?: 'lease' | 'lock' | undefined;
  /**
   * The most time that a call may lose to a slow or dead store before its method runs.
   * @default '250ms'
   */
  readonly storeTimeout?: Duration | undefined;
  /**
   * True: an entry also gets the tags of the cached calls that were made while it was loaded.
   * @default false
   */
  readonly inheritTags?: boolean | undefined;
  /**
   * For a value that would not come back equal (a class instance, a function). `throw`: the call rejects with a
   * ValueError. `bypass`: the value is returned and not stored, and `notStored` is published.
   * @default 'throw'
   */
  readonly onUnsupported?: 'throw' | 'bypass' | undefined;
  /**
   * The most bytes of an encoded value: a larger one is returned and not stored.
   * @default 8_388_608
   */
  readonly maxValueBytes?: number | undefined;
}

/** What becomes of an invalidation that the store cannot take: it is queued and retried, or the caller gets an error. */
export type OnUnavailable = 'queue' | 'throw';

/** The same as a schema: names, checks and defaults. */
export const cacheOptions = {
  ttl: duration({ min: 1 }),
  negativeTtl: duration(),
  jitter: fraction({ max: 0.9, default: 0.1 }),
  lease: duration({ min: 1, default: '5s' }),
  lockTimeout: duration({ default: '5s' }),
  loadTimeout: duration({ min: 1, default: '5s' }),
  stampede: oneOf(['lease', 'lock'], 'lease'),
  storeTimeout: duration({ default: '250ms' }),
  inheritTags: flag(false),
  onUnsupported: oneOf(['throw', 'bypass'], 'throw'),
  maxValueBytes: integer({ min: 1, default: 8 * 1024 * 1024, of: 'bytes' }),
} satisfies Record<keyof CacheOptions, Option<unknown>>;

/** The options of one call, resolved. Durations are in ms. */
export interface CachePolicy extends Resolved<typeof cacheOptions> {
  readonly ttl: number;
  readonly negativeTtl: number;
}

export type CacheDefaults = Resolved<typeof cacheOptions>;

export const CACHE_DEFAULTS: CacheDefaults = defaultsOf(cacheOptions);

/**
 * What was given over the defaults of a `Caching`.
 *
 * @param where names the place in the error: `@Cached on find`
 * @throws OptionsError if neither has a ttl
 */
export function resolveCachePolicy(
  given: Given<typeof cacheOptions>,
  defaults: CacheDefaults,
  where: string,
): CachePolicy {
  const { ttl = defaults.ttl } = given;
  const { negativeTtl = defaults.negativeTtl ?? ttl } = given;
  if (ttl === undefined || negativeTtl === undefined) {
    throw new OptionsError(
      `${where} has no ttl, and no entry is stored without one. Give it a ttl ('15m'), or give ` +
        `new Caching({ defaults: { ttl: '5m' } }) one for all.`,
    );
  }
  // Name by name: `getOrSet` resolves its options on every call, and spreading them takes a microsecond on Node.js 20.
  return Object.freeze({
    ttl,
    negativeTtl,
    jitter: given.jitter ?? defaults.jitter,
    lease: given.lease ?? defaults.lease,
    lockTimeout: given.lockTimeout ?? defaults.lockTimeout,
    loadTimeout: given.loadTimeout ?? defaults.loadTimeout,
    stampede: given.stampede ?? defaults.stampede,
    storeTimeout: given.storeTimeout ?? defaults.storeTimeout,
    inheritTags: given.inheritTags ?? defaults.inheritTags,
    onUnsupported: given.onUnsupported ?? defaults.onUnsupported,
    maxValueBytes: given.maxValueBytes ?? defaults.maxValueBytes,
  });
}
