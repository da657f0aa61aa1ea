import { Caching } from '../../core/caching.js';
import { contextOption } from '../../core/keys/context.js';
import { callback, text, type Option } from '../../core/shared/option-schema.js';
import type { CachingSource } from './resolve-caching.js';

/** The schema of the options that all decorators have in common. */
export const decoratorOptions = {
  when: callback<(this: unknown, ...args: readonly unknown[]) => boolean>(),
  context: contextOption,
  name: text('billing.Users.find'),
  cache: cachingSource(),
};

function cachingSource(): Option<CachingSource<unknown> | undefined> {
  return {
    accepts: 'a Caching or a function that returns one',
    default: undefined,
    read: (value) =>
      typeof value === 'function' || Caching.is(value) ? (value as CachingSource<unknown>) : undefined,
  };
}
