import type { Decision } from '../ports/decision.js';
import type { ServerAnswer } from '../ports/lock-store.js';
import { brand } from './registry.js';

/** By which copies of this package know each other's errors: the name of the class, on its prototype. */
const KIND = brand('error');

/** Every error of this library: `code` is stable, the message tells what to do. */
export class CachementError extends Error {
  /** Stable, for programs. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // Not the name of the class: a minifier may have changed that.
    this.name = kindOf(new.target.prototype) ?? new.target.name;
  }

  /** An error of any copy of this package is an instance of the class of the same name. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    const kind = kindOf(this.prototype as object);
    if (kind === undefined || typeof value !== 'object') return false;
    for (
      let object: object | null = value;
      object !== null;
      object = Object.getPrototypeOf(object) as object | null
    ) {
      if (kindOf(object) === kind) return true;
    }
    return false;
  }
}

function kindOf(prototype: object): string | undefined {
  return Object.hasOwn(prototype, KIND) ? (Reflect.get(prototype, KIND) as string) : undefined;
}

/** An option that cannot be: what was expected, what came, where. Thrown where the option is given. */
export class OptionsError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_OPTIONS', message, options);
  }
}

/** A decorator on something it cannot decorate. Thrown while the class is defined. */
export class DecorationError extends CachementError {
  constructor(message: string) {
    super('E_DECORATION', message);
  }
}

/** No `Caching` for a decorated method: the message names class, method and the ways to give it one. */
export class MissingCachingError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_MISSING_CACHING', message, options);
  }
}

/** A key that cannot be made from these arguments: a cycle, a function, a class instance, a throwing getter. */
export class KeyError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_KEY', message, options);
  }
}

/** A value that the codec would not give back equal: a class instance, a function, too large, too deep. */
export class ValueError extends CachementError {
  /**
   * `unsupported`: something in the value would not come back equal, or could not be read at all.
   * `too-large`, `too-deep`: its kind is right, but it is over the limits.
   */
  readonly reason: 'unsupported' | 'too-large' | 'too-deep';
  constructor(message: string, reason: ValueError['reason'], options?: ErrorOptions) {
    super('E_VALUE', message, options);
    this.reason = reason;
  }
}

/**
 * The store did not do what was asked: refused, unreachable, slow, closed. Never means "not found" and never
 * "limit exceeded".
 */
export class StoreUnavailableError extends CachementError {
  /**
   * `unknown`: it may have been done, or may yet be (a reply that was lost, a deadline that passed).
   * `refused`: it was certainly not done.
   */
  readonly outcome: 'unknown' | 'refused';
  constructor(message: string, outcome: 'unknown' | 'refused', options?: ErrorOptions) {
    super('E_STORE_UNAVAILABLE', message, options);
    this.outcome = outcome;
  }
}

/** The store cannot serve this application as it is set up: wrong password, missing right, no Redis there. */
export class StoreSetupError extends CachementError {
  constructor(message: string, options?: ErrorOptions) {
    super('E_STORE_SETUP', message, options);
  }
}

/**
 * An invalidation was not made. Either the store could not take it, and the policy is `throw`: then it goes on
 * being retried, and until it is acknowledged this process reads past the entry. Or the arguments and the result
 * of the method made no key, and nothing was invalidated. `cause` is a StoreUnavailableError or what was thrown.
 */
export class InvalidationError extends CachementError {
  /** What the method returned; undefined if it has not run (`timing: 'before'`). */
  readonly result: unknown;
  constructor(message: string, result: unknown, options?: ErrorOptions) {
    super('E_INVALIDATION', message, options);
    this.result = result;
  }
}

export function invalidationQueued(failure: StoreUnavailableError, result: unknown): InvalidationError {
  return new InvalidationError(
    `The store could not take an invalidation. ${failure.message} It goes on being retried, and until then this ` +
      'process reads past the entries; other processes may return them until they expire.',
    result,
    { cause: failure },
  );
}

/** A rate limit is used up. Never thrown for trouble with the store. */
export class RateLimitExceededError extends CachementError {
  /** The logical key whose limit it is. */
  readonly key: string;
  readonly decision: Decision;
  constructor(message: string, key: string, decision: Decision) {
    super('E_RATE_LIMIT_EXCEEDED', message);
    this.key = key;
    this.decision = decision;
  }

  /** Units in a window, of the rule that decided. */
  get limit(): number {
    return this.decision.limit;
  }
  /** Units that could still be taken. */
  get remaining(): number {
    return this.decision.remaining;
  }
  /** Until the same call would be let through, in ms; Infinity: never. */
  get retryAfterMs(): number {
    return this.decision.retryAfterMs;
  }
  /** Until nothing that was taken counts any more, in ms. */
  get resetMs(): number {
    return this.decision.resetMs;
  }
  /** The name of the rule that decided. */
  get rule(): string {
    return this.decision.rule;
  }
}

/** Others held the lock for all of the time that the caller would wait. */
export class LockNotObtainedError extends CachementError {
  /** The logical keys. */
  readonly keys: readonly string[];
  readonly waitedMs: number;
  constructor(message: string, keys: readonly string[], waitedMs: number) {
    super('E_LOCK_NOT_OBTAINED', message);
    this.keys = keys;
    this.waitedMs = waitedMs;
  }
}

/** The lease ended, or was taken away, while its holder still worked: nothing is exclusive any more. */
export class LockLostError extends CachementError {
  /** The logical keys. */
  readonly keys: readonly string[];
  /**
   * `expired`: its end came without a renewal (Redis did not answer, the renewals were used up, the process was
   * paused). `taken`: the servers say that it is another's or gone. `closed`: the `Caching` was closed.
   * `released`: it had been given back when `assertHeld()` was called.
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

/** Too few lock servers answered to say whether the lock is free. The body was not run. */
export class LockUnavailableError extends CachementError {
  /** The logical keys. */
  readonly keys: readonly string[];
  /** What each server said at the last attempt. */
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
  KeyError,
  ValueError,
  StoreUnavailableError,
  StoreSetupError,
  InvalidationError,
  RateLimitExceededError,
  LockNotObtainedError,
  LockLostError,
  LockUnavailableError,
};
for (const [kind, { prototype }] of Object.entries(KINDS))
  Object.defineProperty(prototype, KIND, { value: kind });
