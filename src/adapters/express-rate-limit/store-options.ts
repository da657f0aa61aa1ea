import type { Caching } from '../../core/caching.js';
import { oneOf, text, unchecked, type Option } from '../../core/shared/option-schema.js';

export interface ExpressRateLimitStoreOptions {
  /** The `Caching` whose store counts the hits. It is not closed with the limiter. */
  readonly caching: Caching;
  /**
   * How hits are counted. `fixed-window`: in a window that starts with the first hit. `sliding-window-counter`: in the
   * last `windowMs`, estimated. The other algorithms do not have a number of hits, which express-rate-limit needs.
   * @default 'fixed-window'
   */
  readonly algorithm?: 'fixed-window' | 'sliding-window-counter' | undefined;
  /**
   * The first part of the keys. Two limiters with the same name, algorithm and window count together.
   * @default 'express'
   */
  readonly name?: string | undefined;
}

/** The schema of `ExpressRateLimitStoreOptions`: names, checks and defaults. */
export const expressRateLimitStoreOptions = {
  caching: unchecked<Caching>('a Caching'),
  algorithm: oneOf(['fixed-window', 'sliding-window-counter'], 'fixed-window'),
  name: text('api', 'express'),
} satisfies Record<keyof ExpressRateLimitStoreOptions, Option<unknown>>;
