import { parseOptions } from '../../core/shared/option-schema.js';
import { checkCaching } from '../http/hit-counter.js';
import { RouteHits, type FastifyRateLimitStore, type RouteLimitOptions } from './route-store.js';
import { fastifyRateLimitStoreOptions, type FastifyRateLimitStoreOptions } from './store-options.js';

export type { FastifyRateLimitStoreOptions } from './store-options.js';
export type { FastifyRateLimitStore, Hits, HitsCallback, RouteLimitOptions } from './route-store.js';

/** What @fastify/rate-limit 10 and 11 take as `store`: they construct it themselves. */
export type FastifyRateLimitStoreClass = new (options: RouteLimitOptions) => FastifyRateLimitStore;

const WHERE = 'fastifyRateLimitStore({ ... })';

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
