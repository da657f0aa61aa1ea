export {
  CachingModule,
  type AsyncCachingModuleOptions,
  type CachingOptionsFactory,
  type CachingSource,
} from './caching-module.js';
export type {
  CachingModuleOptions,
  ExistingCachingOptions,
  NewCachingOptions,
  RootOptions,
} from './module-options.js';
export { cachingToken, InjectCaching } from './inject-caching.js';
export { CachingExceptionFilter } from './exception-filter.js';
export { CachingHealthIndicator, type CachingHealth, type HealthOptions } from './health-indicator.js';
export {
  cachingThrottlerStorage,
  type CachingThrottlerStorage,
  type ThrottlerHits,
} from './throttler-storage.js';
export type { ErrorResponseOptions } from '../http/error-response.js';
export {
  nodeInvalidationRoute as invalidationRoute,
  type InvalidationHandler,
  type InvalidationRouteOptions,
} from '../http/invalidation-route.js';
