import type { Caching } from '../../core/caching.js';
import { parseOptions, text, unchecked, type Option } from '../../core/option-schema.js';
import { checkCaching } from '../http/hit-counter.js';
import { RouteHits, type FastifyRateLimitStore, type RouteLimitOptions } from './route-hits.js';

export type { FastifyRateLimitStore, Hits, HitsCallback, RouteLimitOptions } from './route-hits.js';

export interface FastifyRateLimitStoreOptions {
  /** Where hits are counted. It stays the caller's: it is not closed with the server. */
  readonly caching: Caching;
  /**
   * Keeps applications apart: two of the same name count together.
   * @default 'fastify'
   */
  readonly name?: string | undefined;
}

/** What @fastify/rate-limit 10 and 11 take as `store`: they construct it themselves. */
export type FastifyRateLimitStoreClass = new (options: RouteLimitOptions) => FastifyRateLimitStore;

const WHERE = 'fastifyRateLimitStore({ ... })';

/** The same as a schema: names, checks and defaults. */
export const fastifyRateLimitStoreOptions = {
  caching: unchecked<Caching>('a Caching'),
  name: text('api', 'fastify'),
} satisfies Record<keyof FastifyRateLimitStoreOptions, Option<unknown>>;

/**
 * A store for @fastify/rate-limit: one counter for all processes, a fixed window that begins with the first hit. Where
 * the store of the `Caching` does not answer it fails with a StoreUnavailableError, and `skipOnError` decides what
 * becomes of the request.
 *
 * @throws OptionsError
 * @example
 * await fastify.register(rateLimit, { max: 100, timeWindow: '1m', store: fastifyRateLimitStore({ caching }) });
 */
export function fastifyRateLimitStore(options: FastifyRateLimitStoreOptions): FastifyRateLimitStoreClass {
  const { name = 'fastify' } = parseOptions(fastifyRateLimitStoreOptions, options, WHERE);
  const { caching } = options;
  checkCaching(caching, WHERE);
  return class CachementStore extends RouteHits {
    constructor(options: RouteLimitOptions) {
      super(caching, [name], options);
    }
  };
}
