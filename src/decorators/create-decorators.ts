import { Caching } from '../core/caching.js';
import { describe } from '../core/describe.js';
import { OptionsError } from '../core/errors.js';
import { Cached } from './cached.js';
import { Invalidates } from './invalidates.js';
import { Locked } from './locked.js';
import { RateLimited } from './rate-limited.js';

/**
 * The decorators bound to one `Caching`: no container, no globals.
 *
 * @example
 * const { Cached, Invalidates, RateLimited, Locked } = createDecorators(caching);
 */
export function createDecorators(caching: Caching | (() => Caching)): {
  readonly Cached: typeof Cached;
  readonly Invalidates: typeof Invalidates;
  readonly RateLimited: typeof RateLimited;
  readonly Locked: typeof Locked;
} {
  if (!Caching.is(caching) && typeof caching !== 'function') {
    throw new OptionsError(
      `createDecorators takes a Caching, or a function that returns one, and ${describe(caching)} was given.`,
    );
  }
  return {
    Cached: (options = {}) => Cached({ ...options, cache: options.cache ?? caching }),
    Invalidates: (options) => Invalidates({ ...options, cache: options.cache ?? caching }),
    RateLimited: (options) => RateLimited({ ...options, cache: options.cache ?? caching }),
    Locked: (options = {}) => Locked({ ...options, cache: options.cache ?? caching }),
  };
}
