export type {
  Acknowledgement,
  Cache,
  GetOrSetOptions,
  InvalidateOptions,
  Key,
  SetOptions,
} from './core/cache.js';
export { Caching, type CachingOptions } from './core/caching.js';
export type { Duration } from './core/duration.js';
export {
  CachementError,
  DecorationError,
  InvalidationError,
  KeyError,
  MissingCachingError,
  OptionsError,
  StoreSetupError,
  StoreUnavailableError,
  ValueError,
} from './core/errors.js';
export { subscribe, type CachementEvents, type EventName } from './core/events.js';
export { key, type KeyPart } from './core/key.js';
export type { OnUnavailable, PolicyOptions } from './core/options.js';
export type {
  Adapter,
  Backend,
  Clock,
  EntryStore,
  Host,
  LeaseReply,
  Minted,
  Snapshot,
  Timer,
} from './core/ports.js';
export type { AsyncMethodDecorator } from './decorators/around.js';
export { Cached, type CachedOptions } from './decorators/cached.js';
export { createDecorators } from './decorators/create-decorators.js';
export { Invalidates, type InvalidatesOptions, type Timing } from './decorators/invalidates.js';
export {
  bindCaching,
  useContainer,
  withCaching,
  type CachingSource,
  type ContainerLike,
} from './decorators/resolve.js';
