import type { Decision } from '../ports/decision.js';
import type { ServerAnswer } from '../ports/lock-store.js';
import { brand } from './registry.js';

/** A property of the prototypes: the class name. Copies of this package recognize each other's errors by it. */
const KIND = brand('error');

/** The base class of all errors of this library. Check `code` in programs: messages may change. */
export class CachementError extends Error {
  /** A stable code: `E_OPTIONS`, `E_KEY`, ... */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // The class name itself may have been changed by a minifier.
    this.name = kindOf(new.target.prototype) ?? new.target.name;
  }

  /** True for an error of any copy of this package whose class has the same name. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    const kind = kindOf(this.prototype as object);
    if (kind === undefined || typeof value !== 'object') return false;
    for (
      let proto: object | null = value;
      proto !== null;
      proto = Object.getPrototypeOf(proto) as object | null
    ) {
      if (kindOf(proto) === kind) return true;
    }
    return false;
  }
}

function kindOf(prototype: object): string | undefined {
  return Object.hasOwn(prototype, KIND) ? (Reflect.get(prototype, KIND) as string) : undefined;
}

/**
 * An invalid option. The message names the option and the call, what is accepted, and what was passed. Thrown by the call,
 * or by the decorator while the class is defined. `code`: `E_OPTIONS`.
 */
export class OptionsError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_OPTIONS', message, options);
  }
}

/** A decorator on something other than a method. Thrown while the class is defined. `code`: `E_DECORATION`. */
export class DecorationError extends CachementError {
  constructor(message: string) {
    super('E_DECORATION', message);
  }
}

/**
 * No `Caching` was found for a decorated method. The message names the class, the method and the ways to provide one.
 * `code`: `E_MISSING_CACHING`.
 */
export class MissingCachingError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_MISSING_CACHING', message, options);
  }
}

/**
 * A part that every key of the call must have is not set: the call was made outside `withContext`, or its value is undefined
 * or empty. The message names the method and the part. The method has not run. `code`: `E_MISSING_CONTEXT`.
 */
export class MissingContextError extends CachementError {
  /** The name of the part: `tenant`. */
  readonly part: string;
  constructor(message: string, part: string) {
    super('E_MISSING_CONTEXT', message);
    this.part = part;
  }
}

/**
 * An invalid key or tag, or arguments from which no key can be built: a cycle, a function, a class instance, a getter that
 * throws. `code`: `E_KEY`.
 */
export class KeyError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_KEY', message, options);
  }
}

/**
 * A value that would not come back equal from the store (a class instance, a function), or is too large or too deep, or
 * that the schema of the call rejects. The message names the path to it. `code`: `E_VALUE`.
 */
export class ValueError extends CachementError {
  /**
   * `unsupported`: a part of the value would not come back equal, or threw an error when it was read. `too-large`: it is
   * over `maxValueBytes`. `too-deep`: it is nested more than 1,000 levels deep. `rejected`: the schema of the call rejects
   * it; `cause` has its issues.
   */
  readonly reason: 'unsupported' | 'too-large' | 'too-deep' | 'rejected';
  constructor(message: string, reason: ValueError['reason'], options?: ErrorOptions) {
    super('E_VALUE', message, options);
    this.reason = reason;
  }
}

/**
 * The store did not execute a request: it is unreachable, slow or closed, or it refused. Never means "not found" or "limit
 * exceeded". `code`: `E_STORE_UNAVAILABLE`.
 */
export class StoreUnavailableError extends CachementError {
  /**
   * `unknown`: the request may have been executed, or may still be (a lost reply, a timeout). `refused`: it was not
   * executed.
   */
  readonly outcome: 'unknown' | 'refused';
  constructor(message: string, outcome: 'unknown' | 'refused', options?: ErrorOptions) {
    super('E_STORE_UNAVAILABLE', message, options);
    this.outcome = outcome;
  }
}

/**
 * The setup of the store does not work: no Redis at the address, a wrong password, a missing permission. The message names
 * the cause and the fix. `code`: `E_STORE_SETUP`.
 */
export class StoreSetupError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_STORE_SETUP', message, options);
  }
}

/**
 * An invalidation failed. Either the store was unavailable under `onUnavailable: 'throw'`: the invalidation is retried, and
 * until it is acknowledged this process does not return the entries. Or no key or tag could be built from the arguments and
 * the result of the method: nothing was invalidated. `cause` is the StoreUnavailableError, or what was thrown. `code`:
 * `E_INVALIDATION`.
 */
export class InvalidationError extends CachementError {
  /** The return value of the method; undefined if it has not run (`timing: 'before'`). */
  readonly result: unknown;
  constructor(message: string, result: unknown, options?: ErrorOptions) {
    super('E_INVALIDATION', message, options);
    this.result = result;
  }
}

/** The error of an invalidation that is queued under `onUnavailable: 'throw'`. */
export function invalidationQueued(failure: StoreUnavailableError, result: unknown): InvalidationError {
  return new InvalidationError(
    `The store did not confirm an invalidation. ${failure.message} It is retried until the store confirms it. Until then ` +
      'this process does not return the entries; other processes may return them until they expire.',
    result,
    { cause: failure },
  );
}

/** The error of a write that is not started, because its entries could not be marked, under `onUnavailable: 'throw'`. */
export function notMarked(failure: StoreUnavailableError): InvalidationError {
  return new InvalidationError(
    `The write was not started: the store did not mark its entries, as safe asks for. ${failure.message} Try again, or let ` +
      "it run without the mark: onUnavailable: 'queue'.",
    undefined,
    { cause: failure },
  );
}

/** The error of a put whose value cannot be stored. @param what names the call: `Users.replace` */
export function notPut(what: string, result: unknown, cause: unknown): InvalidationError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InvalidationError(
    `${what} has succeeded, and its result was not stored: ${reason} The entry is invalidated.`,
    result,
    { cause },
  );
}

/**
 * A job was not enqueued after its method had succeeded; or the store did not answer, and it is not known. `cause` is the
 * StoreUnavailableError, whose `outcome` tells the two apart; or a ValueError for data that the schema rejects; or what was
 * thrown by the function that makes the data. `code`: `E_ENQUEUE`.
 */
export class EnqueueError extends CachementError {
  /** The return value of the method. */
  readonly result: unknown;
  constructor(message: string, result: unknown, options?: ErrorOptions) {
    super('E_ENQUEUE', message, options);
    this.result = result;
  }
}

/**
 * A load did not start: as many loads as `maxConcurrentLoads` allows were running, and its turn did not come within
 * `loadQueueTimeout`. All calls that waited for this load get it. `code`: `E_LOAD_SHED`.
 */
export class LoadShedError extends CachementError {
  /** The logical key. */
  readonly key: string;
  /** `Class.method` of the decorated method; undefined for the plain verbs. */
  readonly method: string | undefined;
  /** The bound that was reached: of the method, or of the `Caching`. */
  readonly limit: number;
  /** How long the load waited for its turn, in ms. */
  readonly waitedMs: number;
  constructor(message: string, key: string, method: string | undefined, limit: number, waitedMs: number) {
    super('E_LOAD_SHED', message);
    this.key = key;
    this.method = method;
    this.limit = limit;
    this.waitedMs = waitedMs;
  }
}

/**
 * A call has waited for a load for `hardTimeout`, and there is no stale value to return. The load continues, and its value is
 * stored. `code`: `E_LOAD_TIMEOUT`.
 */
export class LoadTimeoutError extends CachementError {
  /** The logical key. */
  readonly key: string;
  /** `Class.method` of the decorated method; undefined for the plain verbs. */
  readonly method: string | undefined;
  /** `hardTimeout`, in ms. */
  readonly timeoutMs: number;
  constructor(message: string, key: string, method: string | undefined, timeoutMs: number) {
    super('E_LOAD_TIMEOUT', message);
    this.key = key;
    this.method = method;
    this.timeoutMs = timeoutMs;
  }
}

/** A rate limit is exceeded. Never thrown because of a failure of the store. `code`: `E_RATE_LIMIT_EXCEEDED`. */
export class RateLimitExceededError extends CachementError {
  /** The logical key. */
  readonly key: string;
  /** The decision that refused the call. */
  readonly decision: Decision;
  constructor(message: string, key: string, decision: Decision) {
    super('E_RATE_LIMIT_EXCEEDED', message);
    this.key = key;
    this.decision = decision;
  }

  /** Units in a window of the deciding rule. */
  get limit(): number {
    return this.decision.limit;
  }
  /** Units of the deciding rule that could be taken now, 0 or more. */
  get remaining(): number {
    return this.decision.remaining;
  }
  /** Time until the same call would be allowed, in ms. Infinity: never. */
  get retryAfterMs(): number {
    return this.decision.retryAfterMs;
  }
  /** Time until the deciding rule counts no unit any more, in ms. */
  get resetMs(): number {
    return this.decision.resetMs;
  }
  /** The name of the deciding rule; `block` after `limits.block`. */
  get rule(): string {
    return this.decision.rule;
  }
}

/** Others held the lock for the whole `wait`. The body has not run. `code`: `E_LOCK_NOT_OBTAINED`. */
export class LockNotObtainedError extends CachementError {
  /** The logical keys. */
  readonly keys: readonly string[];
  /** How long the call waited, in ms. */
  readonly waitedMs: number;
  constructor(message: string, keys: readonly string[], waitedMs: number) {
    super('E_LOCK_NOT_OBTAINED', message);
    this.keys = keys;
    this.waitedMs = waitedMs;
  }
}

/**
 * A lease was lost while its holder still worked, so its work is not exclusive any more. The reason of the lease's `signal`,
 * and thrown by `assertHeld()`. `code`: `E_LOCK_LOST`.
 */
export class LockLostError extends CachementError {
  /** The logical keys. */
  readonly keys: readonly string[];
  /**
   * `expired`: the lease was not renewed in time (Redis did not answer, the time in `renew` had passed, the process was
   * paused). `taken`: on the servers the lock has another holder or does not exist. `closed`: the `Caching` was closed.
   * `released`: `assertHeld()` was called after `release()`.
   */
  readonly reason: 'expired' | 'taken' | 'closed' | 'released';
  constructor(
    message: string,
    keys: readonly string[],
    reason: LockLostError['reason'],
    options?: ErrorOptions,
  ) {
    super('E_LOCK_LOST', message, options);
    this.keys = keys;
    this.reason = reason;
  }
}

/** Too few lock servers answered to acquire the lock. The body has not run. `code`: `E_LOCK_UNAVAILABLE`. */
export class LockUnavailableError extends CachementError {
  /** The logical keys. */
  readonly keys: readonly string[];
  /** The answer of each server at the last attempt; empty if there was none. */
  readonly servers: readonly ServerAnswer[];
  constructor(message: string, keys: readonly string[], servers: readonly ServerAnswer[]) {
    super('E_LOCK_UNAVAILABLE', message);
    this.keys = keys;
    this.servers = servers;
  }
}

const KINDS = {
  CachementError,
  OptionsError,
  DecorationError,
  MissingCachingError,
  MissingContextError,
  KeyError,
  ValueError,
  StoreUnavailableError,
  StoreSetupError,
  InvalidationError,
  EnqueueError,
  LoadShedError,
  LoadTimeoutError,
  RateLimitExceededError,
  LockNotObtainedError,
  LockLostError,
  LockUnavailableError,
};
for (const [kind, { prototype }] of Object.entries(KINDS))
  Object.defineProperty(prototype, KIND, { value: kind });
