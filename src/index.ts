export type { Acknowledgement } from './core/cache/acknowledgement.js';
export type { WaitReplicasOptions } from './core/cache/wait-replicas.js';
export type {
  Found,
  Cache,
  GetOrSetManyOptions,
  GetOrSetOptions,
  InvalidateAroundOptions,
  InvalidateOptions,
  InvalidationTargetOptions,
  PutOptions,
  SetOptions,
} from './core/cache/cache.js';
export type { BatchResult } from './core/cache/batch-load.js';
export { entry, type EntryReference } from './core/cache/entry-reference.js';
export type { DeferredInvalidations, TransactionOptions } from './core/cache/deferred-invalidations.js';
export type { CachedHandle, CachedManyHandle } from './core/cache/cached-handle.js';
export type { Peeked } from './core/cache/inspect.js';
export { withRequestMemo } from './core/cache/request-memo.js';
export { Caching, type CachingOptions, type Verbs, type VerbsOptions } from './core/caching.js';
export type { L1Options } from './core/l1/l1-options.js';
export type { SealKey, SealOptions, SecretKeyObject } from './core/seal/seal-options.js';
export { currentLease } from './core/locks/current-lease.js';
export type { CurrentLoad, EntryDecisions } from './core/cache/current-load.js';
export { currentLoad } from './core/cache/load-context.js';
export type { Decision, RuleDecision } from './core/ports/decision.js';
export type { Duration } from './core/shared/duration.js';
export {
  CachementError,
  DecorationError,
  EnqueueError,
  InvalidationError,
  KeyError,
  LoadShedError,
  LoadTimeoutError,
  LockLostError,
  LockNotObtainedError,
  LockUnavailableError,
  MissingCachingError,
  MissingContextError,
  OptionsError,
  RateLimitExceededError,
  StoreSetupError,
  StoreUnavailableError,
  ValueError,
} from './core/shared/errors.js';
export { subscribe, type CachementEvents, type EventName } from './core/shared/events.js';
export { withContext, type ContextParts } from './core/keys/context.js';
export { key } from './core/keys/key-tag.js';
export type { Key, KeyPart } from './core/keys/key.js';
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
export type { CacheOptions, OnUnavailable } from './core/cache/cache-options.js';
export type { ReadOptions, ValueOptions } from './core/cache/value-options.js';
export type { VerificationReport, VerifiedMethod } from './core/cache/verification-report.js';
export type { VerifyOptions } from './core/cache/verify-option.js';
export type { PayloadCodec } from './core/values/payload-codec.js';
export type { SchemaInput, SchemaOutput, StandardSchema } from './core/values/schema.js';
export { defineCodec, type TypeCodec } from './core/values/type-codec.js';
export type { Adapter, Backend, AdapterHost } from './core/ports/adapter.js';
export type { ChangeListener, ChangeSource, ChangeSubscription } from './core/ports/change-feed.js';
export type {
  Algorithm,
  RateReply,
  RateRequest,
  RateRule,
  RateStore,
  RuleReading,
} from './core/ports/rate-store.js';
export type { Clock, Timer } from './core/ports/clock.js';
export type { SessionStore } from './core/ports/session-store.js';
export type {
  EntryStore,
  FillReply,
  Keeps,
  LeaseReply,
  TagState,
  Snapshot,
} from './core/ports/entry-store.js';
export type { LockGrant, LockReply, LockRequest, LockStore, ServerAnswer } from './core/ports/lock-store.js';
export type { ConcurrencyRule, Rule, WindowRule } from './core/limits/rules.js';
/** `MethodContext` and `Template` are parts of the types of decorators. */
export type { AsyncMethodDecorator, MethodContext } from './decorators/shared/around.js';
export type { Template } from './decorators/shared/key-template-type.js';
export { CachePut, type CachePutOptions } from './decorators/cache-put.js';
export { Cached, type CachedOptions } from './decorators/cached.js';
export { CachedMany, type CachedManyOptions } from './decorators/cached-many.js';
export {
  CachingDefaults,
  type CachingDefaultsOptions,
  type ClassDecoratorOf,
} from './decorators/caching-defaults.js';
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
} from './decorators/shared/resolve-caching.js';
