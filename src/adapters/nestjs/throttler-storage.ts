import type { Caching } from '../../core/caching.js';
import type { WindowRule } from '../../core/limits/rules.js';
import { parseOptions, text, type Option } from '../../core/shared/option-schema.js';
import { checkCaching, DENY_ON_ERROR, hitsOf, UNLIMITED } from '../http/hit-counter.js';

/** What @nestjs/throttler 6 is told about a hit. Times are whole seconds, rounded up. */
export interface ThrottlerHits {
  /** Hits in the window, including the present one. */
  totalHits: number;
  timeToExpire: number;
  isBlocked: boolean;
  timeToBlockExpire: number;
}

/** The `ThrottlerStorage` of @nestjs/throttler 6. */
export interface CachingThrottlerStorage {
  /** Counts one hit. `ttl` and `blockDuration` are in ms. @throws StoreUnavailableError */
  increment(
    key: string,
    ttl: number,
    limit: number,
    blockDuration: number,
    throttlerName: string,
  ): Promise<ThrottlerHits>;
}

export interface ThrottlerStorageOptions {
  /**
   * The first part of the keys. Two applications with the same name count together.
   * @default 'throttler'
   */
  readonly name?: string | undefined;
}

/** The schema of `ThrottlerStorageOptions`: names, checks and defaults. */
export const throttlerStorageOptions = {
  name: text('api', 'throttler'),
} satisfies Record<keyof ThrottlerStorageOptions, Option<unknown>>;

const LABEL = 'cachingThrottlerStorage(caching, { ... })';
/** The longest block: 365 days. */
const MAX_BLOCK_MS = 365 * 86_400_000;

/**
 * Creates a storage for @nestjs/throttler 6 that counts for all processes together, in a fixed window that starts with the
 * first hit. A hit over the limit blocks the client for `blockDuration`; hits during the block are not counted, and after
 * it a new window begins. If the store does not answer, it rejects with a StoreUnavailableError, so the guard does not say
 * that the limit is exceeded.
 *
 * @throws OptionsError
 * @example
 * ThrottlerModule.forRootAsync({
 *   inject: [Caching],
 *   useFactory: (caching: Caching) => ({
 *     throttlers: [{ ttl: 60_000, limit: 100 }],
 *     storage: cachingThrottlerStorage(caching),
 *   }),
 * });
 */
export function cachingThrottlerStorage(
  caching: Caching,
  options: ThrottlerStorageOptions = {},
): CachingThrottlerStorage {
  const { name = 'throttler' } = parseOptions(throttlerStorageOptions, options, LABEL);
  checkCaching(caching, LABEL);
  const { limits } = caching;
  return {
    async increment(client, ttl, limit, blockDuration, throttlerName) {
      const key = [name, throttlerName, client];
      const rule: WindowRule = { algorithm: 'fixed-window', limit: UNLIMITED, per: Math.max(1, ttl) };
      // Unlike a penalty, it counts nothing while the key is blocked.
      const decision = await limits.consume(key, rule, DENY_ON_ERROR);
      if (decision.rule === 'block') return blocked(limit + 1, decision.retryAfterMs);
      const { hits, resetMs } = hitsOf(decision);
      if (hits > limit) {
        if (blockDuration <= 0) return blocked(hits, resetMs);
        const block = Math.min(blockDuration, MAX_BLOCK_MS);
        await limits.reset(key, rule);
        await limits.block(key, block);
        return blocked(hits, block);
      }
      // A Caching that is not enabled counts nothing. Report at least the present hit.
      const totalHits = Math.max(1, hits);
      return { totalHits, timeToExpire: seconds(resetMs), isBlocked: false, timeToBlockExpire: 0 };
    },
  };
}

function blocked(totalHits: number, ms: number): ThrottlerHits {
  return { totalHits, timeToExpire: seconds(ms), isBlocked: true, timeToBlockExpire: seconds(ms) };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}
