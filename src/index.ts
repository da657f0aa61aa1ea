export type { Acknowledgement, Cache, GetOrSetOptions, InvalidateOptions, SetOptions } from './core/cache.js';
export { Caching, type CachingOptions } from './core/caching.js';
export { currentLease } from './core/locks/current-lease.js';
export type { Decision, RuleDecision } from './core/limits/decision.js';
export type { Duration } from './core/duration.js';
export {
  CachementError,
  DecorationError,
  InvalidationError,
  KeyError,
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  MissingCachingError,
  OptionsError,
  RateLimitExceededError,
  StoreSetupError,
  StoreUnavailableError,
  ValueError,
} from './core/errors.js';
export { subscribe, type CachementEvents, type EventName } from './core/events.js';
export { key, type Key, type KeyPart } from './core/key.js';
export type { Lease } from './core/locks/lease.js';
export type {
  ConsumeOptions,
  LimitOptions,
  OnLimitsUnavailable,
  RunOptions,
} from './core/limits/limit-options.js';
export type { Limits } from './core/limits/limits.js';
export type { AcquireOptions, LockOptions, LockTarget, LockTimes } from './core/locks/lock-options.js';
export type { Locks } from './core/locks/locks.js';
export type { CacheOptions, OnUnavailable } from './core/options.js';
export type {
  Adapter,
  Algorithm,
  Backend,
  Clock,
  EntryStore,
  FillReply,
  Host,
  LeaseReply,
  LockGrant,
  LockReply,
  LockRequest,
  LockStore,
  Minted,
  RateReply,
  RateRequest,
  RateRule,
  RateStore,
  RuleReading,
  ServerAnswer,
  Snapshot,
  Timer,
} from './core/ports.js';
export type { ConcurrencyRule, Rule, WindowRule } from './core/limits/rules.js';
export type { AsyncMethodDecorator } from './decorators/around.js';
export { Cached, type CachedOptions } from './decorators/cached.js';
export { createDecorators } from './decorators/create-decorators.js';
export { Invalidates, type InvalidatesOptions, type Timing } from './decorators/invalidates.js';
export { Locked } from './decorators/locked.js';
export type { LockedOptions } from './decorators/locked-options.js';
export { RateLimited } from './decorators/rate-limited.js';
export type { RateLimitedOptions } from './decorators/rate-limited-options.js';
export {
  bindCaching,
  useContainer,
  withCaching,
  type CachingSource,
  type ContainerLike,
} from './decorators/resolve.js';
