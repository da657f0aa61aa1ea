import type { Caching } from '../../core/caching.js';
import { oneOf, text, unchecked, type Option } from '../../core/shared/option-schema.js';

export interface ExpressRateLimitStoreOptions {
  /** Where hits are counted. It stays the caller's: it is not closed with the limiter. */
  readonly caching: Caching;
  /**
   * How hits are counted: those of the window that began with the first of them, or of the last `windowMs` by
   * estimate. The other algorithms have no number of hits, which is all that express-rate-limit looks at.
   * @default 'fixed-window'
   */
  readonly algorithm?: 'fixed-window' | 'sliding-window-counter' | undefined;
  /**
   * Keeps limiters apart: two of the same name and window count together.
   * @default 'express'
   */
  readonly name?: string | undefined;
}

/** The same as a schema: names, checks and defaults. */
export const expressRateLimitStoreOptions = {
  caching: unchecked<Caching>('a Caching'),
  algorithm: oneOf(['fixed-window', 'sliding-window-counter'], 'fixed-window'),
  name: text('api', 'express'),
} satisfies Record<keyof ExpressRateLimitStoreOptions, Option<unknown>>;
