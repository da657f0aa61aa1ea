import { readDuration, type Duration } from '../shared/duration.js';
import { readRefreshAhead } from './refresh-ahead.js';
import { readVerify, type VerifyOptions } from './verify-option.js';
import { OptionsError } from '../shared/errors.js';
import type { PayloadCodec } from '../values/payload-codec.js';
import type { Serializer } from '../values/serializer.js';
import { MAX_VALUE_BYTES } from '../values/value-limits.js';
import { BY_RESULT, type TtlOption } from './result-ttl.js';
import { payloadCodec } from './value-options.js';
import {
  custom,
  defaultsOf,
  duration,
  flag,
  fraction,
  integer,
  oneOf,
  type ParsedOptions,
  type Option,
  type Resolved,
} from '../shared/option-schema.js';

/**
 * How entries are loaded and stored. An option is set on the call or the decorator, or for all of them in
 * `new Caching({ defaults })`. Undefined means not set; null is an OptionsError.
 */
export interface CacheOptions {
  /**
   * How long a value may be returned, counted from the start of its load: 1 ms or more. Every entry has one.
   * @default none: it must be set here or in the defaults
   */
  readonly ttl?: Duration | undefined;
  /**
   * The ttl of the values `null` and `undefined`: 0 ms or more. 0: they are not stored.
   * @default the ttl
   */
  readonly negativeTtl?: Duration | undefined;
  /**
   * How long a value is kept when nobody reads it (sliding expiry): 1 s or more, and the ttl at most. Each read begins this time
   * anew, and the ttl ends the value all the same. A read of the same process within the next quarter of this time does not
   * count, so a value may go after three quarters.
   * @default none: a value is kept until its ttl ends
   */
  readonly idleTtl?: Duration | undefined;
  /**
   * How long after its ttl a value may still be returned as stale: if its load fails, if it takes longer than `softTimeout`,
   * and until `graceBackoff` has passed after a failure. 0 ms or more. An invalidated value is never returned.
   * @default 0
   */
  readonly grace?: Duration | undefined;
  /**
   * After a load has failed and a stale value was returned: how long no process loads the key again. 0 ms or more.
   * @default '10s'
   */
  readonly graceBackoff?: Duration | undefined;
  /**
   * How long a call waits for a load if there is a stale value, which is returned then: 0 ms or more. The load continues, and
   * its value is stored. 0: the stale value is returned at once (stale-while-revalidate).
   * @default none: the call waits for the load
   */
  readonly softTimeout?: Duration | undefined;
  /**
   * How long a call waits for a load in any case: 1 ms or more. Then it returns a stale value if there is one, and rejects
   * with a LoadTimeoutError otherwise. The load continues, and its value is stored.
   * @default none
   */
  readonly hardTimeout?: Duration | undefined;
  /**
   * When a call that finds a value also loads it again, in the background, so that callers do not wait when its ttl ends. A
   * number between 0 and 1: after that part of the ttl, such as 0.8. A duration: that long before the end of the ttl.
   * `{ beta: 1 }`: at random, more likely towards the end and for slow loads (XFetch). `false`: never.
   * @default false
   */
  readonly refreshAhead?: number | Duration | { readonly beta: number } | false | undefined;
  /**
   * Up to this share of the ttl, from 0 to 0.9, is subtracted at random, so that entries that are stored together do not
   * expire together. 0: every entry has the full ttl.
   * @default 0.1
   */
  readonly jitter?: number | undefined;
  /**
   * How long a process that crashes during a load keeps other processes from loading the key: 1 ms or more. A running load
   * extends its lease, up to 20 times this duration.
   * @default '5s'
   */
  readonly lease?: Duration | undefined;
  /**
   * How long a call waits for the load of another process before it runs its own loader, whose result is returned and not
   * stored: 0 ms or more. 0: it does not wait.
   * @default '5s'
   */
  readonly lockTimeout?: Duration | undefined;
  /**
   * After how long a load of this process counts as hung: 1 ms or more. The calls that wait for it then start one new load
   * together and return whichever result arrives first. Each further new load starts after twice as long.
   * @default '5s'
   */
  readonly loadTimeout?: Duration | undefined;
  /**
   * How long a load waits for its turn if `maxConcurrentLoads` bounds it: 0 ms or more. Then its calls reject with a
   * LoadShedError. 0: it does not wait. The wait counts for no other timeout.
   * @default '1s'
   */
  readonly loadQueueTimeout?: Duration | undefined;
  /**
   * How the processes agree on one that loads a missing key. `lease`: a lease in the key of the entry. `lock`: also the
   * lock `cache:<key>`, for two more round trips. If the locks have servers of their own, a load then runs once even if
   * the server of the entries fails over meanwhile. If the lock cannot be acquired in time, the load continues with the
   * lease alone, and an `error` event is published.
   * @default 'lease'
   */
  readonly stampede?: 'lease' | 'lock' | undefined;
  /**
   * How long a call waits for the store at most before its method runs: 0 ms or more.
   * @default '250ms'
   */
  readonly storeTimeout?: Duration | undefined;
  /**
   * True: an entry also has the tags of the cached calls that its load made.
   * @default false
   */
  readonly inheritTags?: boolean | undefined;
  /**
   * True: the signal of a load (`currentLoad`) aborts if its lease is lost, because its value will not be stored.
   * @default false
   */
  readonly abortOnLostLease?: boolean | undefined;
  /**
   * What happens with a value that would not come back equal from the store (a class instance, a function), or that `schema`
   * rejects. `throw`: the call rejects with a ValueError. `bypass`: the value is returned and not stored, and a `notStored` event is published.
   * @default 'throw'
   */
  readonly onUnsupported?: 'throw' | 'bypass' | undefined;
  /**
   * The maximum size of an encoded value in bytes, 1 or more. A larger value is returned and not stored, and a `notStored`
   * event is published.
   * @default 8_388_608
   */
  readonly maxValueBytes?: number | undefined;
  /**
   * The codec of whole values: `{ name, encode, decode }`, such as `msgpackr()` of 'cachement/msgpackr' (docs/values.md).
   * @default JSON, and for what it does not keep an extension of it
   */
  readonly codec?: PayloadCodec | undefined;
  /**
   * Whether encoded values are compressed (zlib) if that makes them smaller: `true` for those of 1,024 bytes or more, or
   * `{ threshold: 4_096 }` for those of that many bytes or more. Compressed values can be read without this option.
   * @default false
   */
  readonly compression?: boolean | { readonly threshold: number } | undefined;
  /**
   * Whether a call within `withRequestMemo` may return the value that the request has read before (docs/context.md).
   * @default true
   */
  readonly memo?: boolean | undefined;
  /**
   * Whether a call may return a value from the memory of this process, if `new Caching` has `l1`: true, false, or the
   * maximum time since the value was read from the store, such as `{ ttl: '5s' }`, 1 ms or more.
   * @default true
   */
  readonly l1?: boolean | { readonly ttl: Duration } | undefined;
  /**
   * What happens while the store is away. `'load'`: every call runs its loader, except those that share a running load.
   * `{ l1: '2s' }`: a loaded value is also returned to the calls of this process in the next 2 seconds. Invalidations of
   * this process end it at once, those of others do not. The functions `unless` and `tags` are then called for values that
   * are loaded while the store is away, too.
   * @default 'load'
   */
  readonly outage?: 'load' | { readonly l1: Duration } | undefined;
  /**
   * The share of hits, from 0 to 1, for which the method also runs in the background, to find entries that nobody has
   * invalidated (docs/verify.md): a number, or `{ share: 0.001, after: '5s', part }`. `after`: how long a writer may take from
   * its commit to its invalidation. `part`: a function that returns what is compared of a value. 0: no hit is verified.
   * @default 0
   */
  readonly verify?: number | VerifyOptions | undefined;
}

/**
 * What happens with an invalidation while the store is unavailable. `queue`: it is retried in the background. `throw`: it
 * is retried, and the call rejects with an InvalidationError.
 */
export type OnUnavailable = 'queue' | 'throw';

/** The schema of `CacheOptions`. */
export const cacheOptions = {
  ttl: duration({ min: 1 }),
  negativeTtl: duration(),
  idleTtl: duration({ min: 1_000 }),
  grace: duration({ default: 0 }),
  graceBackoff: duration({ default: '10s' }),
  softTimeout: duration(),
  hardTimeout: duration({ min: 1 }),
  refreshAhead: custom("0.8, '30s', { beta: 1 } or false", readRefreshAhead, false),
  jitter: fraction({ max: 0.9, default: 0.1 }),
  lease: duration({ min: 1, default: '5s' }),
  lockTimeout: duration({ default: '5s' }),
  loadTimeout: duration({ min: 1, default: '5s' }),
  loadQueueTimeout: duration({ default: '1s' }),
  stampede: oneOf(['lease', 'lock'], 'lease'),
  storeTimeout: duration({ default: '250ms' }),
  inheritTags: flag(false),
  abortOnLostLease: flag(false),
  onUnsupported: oneOf(['throw', 'bypass'], 'throw'),
  memo: flag(true),
  maxValueBytes: integer({ min: 1, default: MAX_VALUE_BYTES, of: 'bytes' }),
  codec: payloadCodec,
  compression: custom('true, false or { threshold: 4_096 } (bytes)', readCompression, false),
  l1: custom("true, false or { ttl: '5s' }", readMaxL1Age, true),
  outage: custom("'load' or { l1: '2s' }", readOutage, 'load'),
  verify: custom("a number from 0 to 1 or { share: 0.001, after: '5s' }", readVerify, 0),
} satisfies Record<keyof CacheOptions, Option<unknown>>;

/** The maximum age in the L1, in ms: 0 to leave the L1 out, Infinity for no limit of the call's own. */
function readMaxL1Age(value: unknown): number | undefined {
  if (typeof value === 'boolean') return value ? Infinity : 0;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'ttl') return undefined;
  return readDuration((value as { ttl: unknown }).ttl, { min: 1 });
}

/** The size from which values are compressed, in bytes. */
function readCompression(value: unknown): number | undefined {
  if (typeof value === 'boolean') return value ? 1_024 : Infinity;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'threshold')
    return undefined;
  const { threshold } = value as { threshold: unknown };
  return Number.isSafeInteger(threshold) && (threshold as number) >= 0 ? (threshold as number) : undefined;
}

/** How long values that are loaded while the store is away are kept, in ms; 0: they are not. */
function readOutage(value: unknown): number | undefined {
  if (value === 'load') return 0;
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'l1') return undefined;
  return readDuration((value as { l1: unknown }).l1, { min: 1 });
}

/** The option `safe`: how long the mark of a write stands that has died. */
export const safeDuration = duration({ min: 1_000, max: 3_600_000 });

/** The options of one call, resolved. Durations are in ms; `l1` is a maximum age, `outage` a ttl, `compression` a size. */
export interface CachePolicy extends Resolved<typeof cacheOptions> {
  /** BY_RESULT: the call decides it by its value. */
  readonly ttl: number;
  /** BY_RESULT: the same as for other values. */
  readonly negativeTtl: number;
  /** Undefined: values are stored by the standard codecs, and returned as they are. */
  readonly serializer: Serializer | undefined;
}

export type CacheDefaults = Resolved<typeof cacheOptions>;

export const CACHE_DEFAULTS: CacheDefaults = defaultsOf(cacheOptions);

/** The options of a call, whose ttl may be a function. */
export type CallCacheOptions = Omit<ParsedOptions<typeof cacheOptions>, 'ttl'> & {
  readonly ttl?: TtlOption | undefined;
};

/**
 * Merges the options of a call with the defaults of a `Caching`.
 *
 * @param label names the call in the error: `@Cached on find`
 * @throws OptionsError if neither has a ttl
 */
export function resolveCachePolicy(
  options: CallCacheOptions,
  defaults: CacheDefaults,
  label: string,
  serializer?: Serializer,
): CachePolicy {
  const ttl = typeof options.ttl === 'function' ? BY_RESULT : (options.ttl ?? defaults.ttl);
  const { negativeTtl = defaults.negativeTtl ?? ttl } = options;
  if (ttl === undefined || negativeTtl === undefined) {
    throw new OptionsError(
      `${label} has no ttl, and every entry needs one. Set it here (ttl: '15m'), or for all calls: ` +
        `new Caching({ defaults: { ttl: '5m' } }).`,
    );
  }
  const idleTtl = checkIdleTtl(options.idleTtl, ttl, label) ?? defaults.idleTtl;
  // Name by name: `getOrSet` resolves its options on every call, and spreading them takes a microsecond on Node.js 20.
  return Object.freeze({
    ttl,
    negativeTtl,
    idleTtl,
    grace: options.grace ?? defaults.grace,
    graceBackoff: options.graceBackoff ?? defaults.graceBackoff,
    softTimeout: options.softTimeout ?? defaults.softTimeout,
    hardTimeout: options.hardTimeout ?? defaults.hardTimeout,
    refreshAhead: options.refreshAhead ?? defaults.refreshAhead,
    jitter: options.jitter ?? defaults.jitter,
    lease: options.lease ?? defaults.lease,
    lockTimeout: options.lockTimeout ?? defaults.lockTimeout,
    loadTimeout: options.loadTimeout ?? defaults.loadTimeout,
    loadQueueTimeout: options.loadQueueTimeout ?? defaults.loadQueueTimeout,
    stampede: options.stampede ?? defaults.stampede,
    storeTimeout: options.storeTimeout ?? defaults.storeTimeout,
    inheritTags: options.inheritTags ?? defaults.inheritTags,
    abortOnLostLease: options.abortOnLostLease ?? defaults.abortOnLostLease,
    onUnsupported: options.onUnsupported ?? defaults.onUnsupported,
    maxValueBytes: options.maxValueBytes ?? defaults.maxValueBytes,
    codec: options.codec ?? defaults.codec,
    compression: options.compression ?? defaults.compression,
    serializer,
    memo: options.memo ?? defaults.memo,
    l1: options.l1 ?? defaults.l1,
    outage: options.outage ?? defaults.outage,
    verify: options.verify ?? defaults.verify,
  });
}

/**
 * Checks that a value can be idle before its ttl ends. An idle ttl of the defaults of a `Caching` may be longer than the ttl
 * of a call, which then has none.
 *
 * @param ttl in ms, or BY_RESULT
 * @throws OptionsError
 */
export function checkIdleTtl(
  idleTtl: number | undefined,
  ttl: number | undefined,
  label: string,
): number | undefined {
  // guard: idle-ttl-is-within-the-ttl
  if (idleTtl !== undefined && ttl !== undefined && idleTtl > ttl) {
    throw new OptionsError(
      `idleTtl of ${label} is at most its ttl, which is ${ttl} ms and ends a value whether it is read or not, and ${idleTtl} ms ` +
        'was given. Give it a shorter idleTtl or a longer ttl.',
    );
  }
  return idleTtl;
}
