import { Caching } from '../core/caching.js';
import { describe } from '../core/shared/describe.js';
import { OptionsError } from '../core/shared/errors.js';
import { decorateCachePut, type CachePut } from './cache-put.js';
import { decorateCached, type Cached } from './cached.js';
import { decorateCachedMany, type CachedMany } from './cached-many.js';
import { decorateInvalidates, type Invalidates } from './invalidates.js';
import { decorateLocked, type Locked } from './locked.js';
import { decorateRateLimited, type RateLimited } from './rate-limited.js';

/**
 * Creates decorators that use one `Caching`, without a container or a global default. An own `cache` option of a
 * decorator takes precedence.
 *
 * @param caching the `Caching`, or a function that returns it; the function is called for every call of a method
 * @throws OptionsError
 * @example
 * const { Cached, Invalidates, RateLimited, Locked } = createDecorators(caching);
 */
export function createDecorators(caching: Caching | (() => Caching)): {
  readonly Cached: typeof Cached;
  readonly CachedMany: typeof CachedMany;
  readonly CachePut: typeof CachePut;
  readonly Invalidates: typeof Invalidates;
  readonly RateLimited: typeof RateLimited;
  readonly Locked: typeof Locked;
} {
  if (!Caching.is(caching) && typeof caching !== 'function') {
    throw new OptionsError(
      `createDecorators takes a Caching, or a function that returns one, and ${describe(caching)} was given.`,
    );
  }
  const bound: ReturnType<typeof createDecorators> = {
    Cached: (options = {}) => decorateCached({ ...options, cache: options.cache ?? caching }, bound.Cached),
    CachedMany: (options) =>
      decorateCachedMany({ ...options, cache: options.cache ?? caching }, bound.CachedMany),
    CachePut: (options) => decorateCachePut({ ...options, cache: options.cache ?? caching }, bound.CachePut),
    Invalidates: (options) =>
      decorateInvalidates({ ...options, cache: options.cache ?? caching }, bound.Invalidates),
    RateLimited: (options) =>
      decorateRateLimited({ ...options, cache: options.cache ?? caching }, bound.RateLimited),
    Locked: (options = {}) => decorateLocked({ ...options, cache: options.cache ?? caching }, bound.Locked),
  };
  return bound;
}
