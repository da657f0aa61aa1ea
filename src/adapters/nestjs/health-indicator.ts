import { Inject } from '@nestjs/common';
import { Caching } from '../../core/caching.js';
import type { Duration } from '../../core/shared/duration.js';
import { StoreUnavailableError } from '../../core/shared/errors.js';
import { duration, parseOptions, unchecked, type Option } from '../../core/shared/option-schema.js';
import { checkCaching, DENY_ON_ERROR } from '../http/hit-counter.js';
import { cachingToken } from './inject-caching.js';

export interface HealthOptions {
  /**
   * How long the store may take to answer: 0 ms or more.
   * @default '1s'
   */
  readonly timeout?: Duration | undefined;
  /** Which `Caching` to ask. @default that of the indicator */
  readonly caching?: Caching | undefined;
}

/** The schema of `HealthOptions`: names, checks and defaults. */
export const healthOptions = {
  timeout: duration({ min: 0, default: '1s' }),
  caching: unchecked<Caching>('a Caching'),
} satisfies Record<keyof HealthOptions, Option<unknown>>;

/** One entry of the report of @nestjs/terminus. The message does not name the store, because reports are often public. */
export type CachingHealth = { readonly status: 'up' } | { readonly status: 'down'; readonly message: string };

const LABEL = 'isHealthy(key, { ... })';

/**
 * Tells whether the store answers, as @nestjs/terminus 11 and later expect it. `CachingModule` provides one for its
 * `Caching`.
 *
 * @example
 * const report = await health.check([() => indicator.isHealthy('redis')]);
 */
export class CachingHealthIndicator {
  readonly #caching: Caching;

  constructor(caching: Caching) {
    this.#caching = caching;
  }

  /**
   * Sends one command to the store.
   *
   * @param key the name of the entry in the report
   * @returns status 'down' if the store does not answer within `timeout`, or the `Caching` is closed
   * @throws OptionsError
   */
  async isHealthy<const Key extends string>(
    key: Key,
    options: HealthOptions = {},
  ): Promise<Record<Key, CachingHealth>> {
    const { timeout = 1_000 } = parseOptions(healthOptions, options, LABEL);
    const { caching = this.#caching } = options;
    checkCaching(caching, LABEL);
    const report = (health: CachingHealth) => ({ [key]: health }) as Record<Key, CachingHealth>;
    try {
      const rule = { limit: 1, per: 1_000 };
      await caching.limits.peek('health', rule, { ...DENY_ON_ERROR, storeTimeout: timeout });
      return report({ status: 'up' });
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      return report({ status: 'down', message: `The store did not answer within ${timeout} ms.` });
    }
  }

  static {
    Inject(cachingToken())(this, undefined, 0);
  }
}
