import { Caching } from '../../core/caching.js';
import { callback, text, type Option } from '../../core/shared/option-schema.js';
import type { CachingSource } from './resolve-caching.js';

/** The options that every decorator has, as a schema. */
export const decoratorOptions = {
  when: callback<(this: unknown, ...args: readonly unknown[]) => boolean>(),
  name: text('billing.Users.find'),
  cache: cachingSource(),
};

function cachingSource(): Option<CachingSource<unknown> | undefined> {
  return {
    accepts: 'a Caching or a function that returns one',
    default: undefined,
    read: (given) =>
      typeof given === 'function' || Caching.is(given) ? (given as CachingSource<unknown>) : undefined,
  };
}
