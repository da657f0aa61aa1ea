import type { Caching } from '../../core/caching.js';
import { cacheOptions, type CacheOptions } from '../../core/cache/cache-options.js';
import type { Duration } from '../../core/shared/duration.js';
import {
  callback,
  custom,
  duration,
  flag,
  integer,
  unchecked,
  type Option,
} from '../../core/shared/option-schema.js';
import type { ResponseHead } from './http-message.js';

/** The options of `cacheResponse`. `Request` is the request of the framework; in Hono it is the context. */
export interface ResponseCacheOptions<Request> extends Omit<
  CacheOptions,
  | 'negativeTtl'
  | 'onUnsupported'
  | 'maxValueBytes'
  | 'grace'
  | 'graceBackoff'
  | 'softTimeout'
  | 'hardTimeout'
  | 'refreshAhead'
  | 'verify'
> {
  /** The `Caching` that stores the responses. It is not closed with the server. */
  readonly caching: Caching;
  /**
   * Labels by which responses can be invalidated together: a list of at most 1,000 strings, or a function of the request
   * and of the status and headers of the response that returns one.
   * @default none
   */
  readonly tags?:
    | readonly string[]
    | ((request: Request, response: ResponseHead) => readonly string[])
    | undefined;
  /**
   * The query parameters that the handler reads. Others are ignored, and their order too. Without it, the query counts as
   * it is sent.
   * @default the whole query
   */
  readonly query?: readonly string[] | undefined;
  /**
   * The request headers that the handler reads, such as `['accept-language']`. Requests with other values get other
   * responses. Headers that the handler names in `Vary` need not be named here.
   * @default none
   */
  readonly vary?: readonly string[] | undefined;
  /**
   * Returns whose response this is: a user id, taken from where the handler takes it. Each identity has responses of its
   * own. Undefined: the request is treated as if the option was not set.
   * @default none: a request that may say who calls is not answered from the cache
   */
  readonly identity?: ((request: Request) => string | undefined) | undefined;
  /**
   * True: all callers get the same response, whoever they are. The handler must read neither credentials nor any request
   * header that is not in `vary`.
   * @default false
   */
  readonly shared?: boolean | undefined;
  /**
   * Further request headers that neither say who calls nor change the response, such as `['x-client-version']`.
   * @default none
   */
  readonly ignoreHeaders?: readonly string[] | undefined;
  /**
   * The statuses that are stored, from 200 to 599 without 206 and 304. Add 404 and 410 to remember what does not exist.
   * @default [200, 203, 204, 300, 301, 308]
   */
  readonly statuses?: readonly number[] | undefined;
  /**
   * The maximum size of a stored body in bytes, 0 or more. A larger one passes through and is not stored. A response is
   * held back up to this size until it is complete.
   * @default 1_048_576
   */
  readonly maxBytes?: number | undefined;
  /**
   * The `max-age` of responses without a `Cache-Control` of the handler: how long browsers and proxies may keep them,
   * which no invalidation ends. 0 ms: they ask each time, and get a 304 if nothing has changed.
   * @default the ttl
   */
  readonly maxAge?: Duration | undefined;
  /**
   * True: the request headers `Cache-Control: no-cache` and `no-store` are obeyed. Then any caller can make the handler run.
   * @default false
   */
  readonly allowRefresh?: boolean | undefined;
  /**
   * How long it is remembered that a response was not to be stored: 0 ms or more. In that time requests do not wait for
   * each other. A response that can be stored ends it.
   * @default '10s'
   */
  readonly uncacheableTtl?: Duration | undefined;
}

const {
  negativeTtl: _negativeTtl,
  onUnsupported: _onUnsupported,
  maxValueBytes: _maxValueBytes,
  grace: _grace,
  graceBackoff: _graceBackoff,
  softTimeout: _softTimeout,
  hardTimeout: _hardTimeout,
  refreshAhead: _refreshAhead,
  verify: _verify,
  ...loadOptions
} = cacheOptions;

/** The schema of `ResponseCacheOptions`: names, checks and defaults. */
export const responseCacheOptions = {
  ...loadOptions,
  caching: unchecked<Caching>('a Caching'),
  tags: unchecked<readonly string[] | ((request: never, response: ResponseHead) => readonly string[])>(
    'a list of strings, or a function',
  ),
  query: custom('a list of names', readNames, undefined),
  vary: custom('a list of header names', readHeaderNames, undefined),
  identity: callback<(request: never) => string | undefined>(),
  shared: flag(false),
  ignoreHeaders: custom('a list of header names', readHeaderNames, undefined),
  statuses: custom('a list of statuses from 200 to 599 without 206 and 304', readStatuses, undefined),
  maxBytes: integer({ min: 0, default: 1024 * 1024, of: 'bytes' }),
  maxAge: duration(),
  allowRefresh: flag(false),
  uncacheableTtl: duration({ default: '10s' }),
} satisfies Record<keyof ResponseCacheOptions<unknown>, Option<unknown>>;

function readNames(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.every((name) => typeof name === 'string' && name !== '') ? (value as string[]) : undefined;
}

function readHeaderNames(value: unknown): readonly string[] | undefined {
  const names = readNames(value);
  if (names?.every((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && name !== '*') !== true) return undefined;
  return names.map((name) => name.toLowerCase());
}

/** A part of a response (206) and "you have it" (304) are no answer to another request. */
function readStatuses(value: unknown): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const isStatus = (status: unknown): boolean =>
    Number.isInteger(status) &&
    Number(status) >= 200 &&
    Number(status) <= 599 &&
    status !== 206 &&
    status !== 304;
  return value.every(isStatus) ? (value as number[]) : undefined;
}
