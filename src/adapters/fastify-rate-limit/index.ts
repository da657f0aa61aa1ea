import { parseOptions } from '../../core/shared/option-schema.js';
import { checkCaching } from '../http/hit-counter.js';
import { RouteHits, type FastifyRateLimitStore, type RouteLimitOptions } from './route-store.js';
import { fastifyRateLimitStoreOptions, type FastifyRateLimitStoreOptions } from './store-options.js';

export type { FastifyRateLimitStoreOptions } from './store-options.js';
export type { FastifyRateLimitStore, Hits, HitsCallback, RouteLimitOptions } from './route-store.js';

/** The `store` option of @fastify/rate-limit 10 and 11: a class, which the plugin constructs. */
export type FastifyRateLimitStoreClass = new (options: RouteLimitOptions) => FastifyRateLimitStore;

const LABEL = 'fastifyRateLimitStore({ ... })';

/**
 * Creates a store class for @fastify/rate-limit 10 and 11 that counts for all processes together, in a fixed window
 * that starts with the first hit. If the store of the `Caching` does not answer, it fails with a StoreUnavailableError;
 * then the option `skipOnError` of the plugin decides.
 *
 * @throws OptionsError
 * @example
 * await fastify.register(rateLimit, { max: 100, timeWindow: '1m', store: fastifyRateLimitStore({ caching }) });
 */
export function fastifyRateLimitStore(options: FastifyRateLimitStoreOptions): FastifyRateLimitStoreClass {
  const { name = 'fastify' } = parseOptions(fastifyRateLimitStoreOptions, options, LABEL);
  const { caching } = options;
  checkCaching(caching, LABEL);
  // The keys of the plugin are complete, and it may count before a request has a context.
  const { limits } = caching.verbs({ context: false });
  return class CachementStore extends RouteHits {
    constructor(options: RouteLimitOptions) {
      super(limits, [name], options);
    }
  };
}
