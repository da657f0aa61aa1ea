import type { Caching } from '../core/caching.js';
import { OptionsError } from '../core/errors.js';
import { Cached } from './cached.js';
import { Invalidates } from './invalidates.js';

/**
 * The decorators bound to one `Caching`: no container, no globals.
 *
 * @example
 * const { Cached, Invalidates } = createDecorators(caching);
 */
export function createDecorators(caching: Caching | (() => Caching)): {
  readonly Cached: typeof Cached;
  readonly Invalidates: typeof Invalidates;
} {
  if (caching === undefined || caching === null) {
    throw new OptionsError('createDecorators takes a Caching, or a function that returns one.');
  }
  return {
    Cached: (options = {}) => Cached({ cache: caching, ...options }),
    Invalidates: (options) => Invalidates({ cache: caching, ...options }),
  };
}
