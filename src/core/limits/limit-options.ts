import type { Duration } from '../shared/duration.js';
import {
  abortSignal,
  defaultsOf,
  duration,
  flag,
  flagOrCallback,
  integer,
  oneOf,
  unchecked,
  type Option,
  type Resolved,
} from '../shared/option-schema.js';
import { units } from './rules.js';

/**
 * What happens to a call if the store does not answer. `allow`: it runs without being counted. `deny`: it rejects with a
 * StoreUnavailableError. `local`: this process counts by itself, up to its share of the limit. Only under `local` a
 * RateLimitExceededError can follow, when the process has counted up to its share.
 */
export type OnLimitsUnavailable = 'allow' | 'deny' | 'local';

/** How limits are applied. Set on the call or the decorator, or for all limits in `new Caching({ limits })`. */
export interface LimitOptions {
  /**
   * What happens if the store does not answer. `local`: this process counts by itself, up to its share of the limit.
   * `allow`: the call runs without being counted. `deny`: the call rejects with a StoreUnavailableError.
   * @default 'local'
   */
  readonly onUnavailable?: OnLimitsUnavailable | undefined;
  /**
   * The number of processes that share a limit, 1 or more. Under `local` each counts up to limit / processes, rounded up.
   * @default 1
   */
  readonly processes?: number | undefined;
  /**
   * True: this process caches a refusal and repeats it without asking the store until it ends.
   * @default true
   */
  readonly denialCache?: boolean | undefined;
  /**
   * How long a call waits for the store at most: 0 ms or more.
   * @default '250ms'
   */
  readonly storeTimeout?: Duration | undefined;
}

/** The options of `limits.consume`. */
export interface ConsumeOptions extends LimitOptions {
  /**
   * Units to take: a whole number from 0 to 1,000,000,000. 0: only read the limit.
   * @default 1
   */
  readonly cost?: number | undefined;
  /**
   * Identifies this request: a string with at least one character. A repetition within the longest window, at most a
   * minute, takes nothing and gets the first decision. (A request that was refused or refunded is decided again.) If a
   * reply is lost, the request is repeated within `storeTimeout`. Not with a `concurrency` rule.
   * @default none
   */
  readonly requestId?: string | undefined;
  /**
   * How long to wait until the call is allowed: 0 ms or more. The call returns the last decision.
   * @default 0
   */
  readonly wait?: Duration | undefined;
  /** Ends the wait: the call rejects with the signal's reason. @default none */
  readonly signal?: AbortSignal | undefined;
}

/** The options of `limits.run`. */
export interface RunOptions extends ConsumeOptions {
  /**
   * True, or a function that returns true for an error: the units are refunded if the work fails. If the function throws,
   * nothing is refunded, an `error` event is published, and the caller gets the error of the work.
   * @default false
   */
  readonly refundOnError?: boolean | ((error: unknown) => boolean) | undefined;
  /**
   * True: the work runs in any case, and the decision is only published as a `limit` event.
   * @default false
   */
  readonly dryRun?: boolean | undefined;
}

/** The schemas of the interfaces above. */
export const limitOptions = {
  onUnavailable: oneOf(['allow', 'deny', 'local'], 'local'),
  processes: integer({ min: 1, default: 1 }),
  denialCache: flag(true),
  storeTimeout: duration({ default: '250ms' }),
} satisfies Record<keyof LimitOptions, Option<unknown>>;

export const consumeOptions = {
  ...limitOptions,
  cost: units,
  requestId: unchecked<string>('a string that is not empty'),
  wait: duration(),
  signal: abortSignal(),
} satisfies Record<keyof ConsumeOptions, Option<unknown>>;

export const runOptions = {
  ...consumeOptions,
  refundOnError: flagOrCallback<(error: unknown) => boolean>(),
  dryRun: flag(false),
} satisfies Record<keyof RunOptions, Option<unknown>>;

/** The resolved options of one call. Durations are in ms. */
export type LimitPolicy = Resolved<typeof limitOptions>;

export const LIMIT_DEFAULTS: LimitPolicy = defaultsOf(limitOptions);
