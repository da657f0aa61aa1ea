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
 * When the store cannot say. `allow`: let the call through. `deny`: throw the StoreUnavailableError. `local`: this
 * process counts for itself, with the limit divided by the number of processes. Never a RateLimitExceededError
 * for a broken store but where `local` itself has counted to the limit.
 */
export type OnLimitsUnavailable = 'allow' | 'deny' | 'local';

/** How limits are applied. Each may stand on the call or the decorator, or in `new Caching({ limits })`. */
export interface LimitOptions {
  /**
   * When the store does not answer. `local`: this process counts for itself, to its share of the limit. `allow`: the call
   * runs uncounted. `deny`: the call rejects with a StoreUnavailableError.
   * @default 'local'
   */
  readonly onUnavailable?: OnLimitsUnavailable | undefined;
  /**
   * How many processes share a limit, for `local`: each then counts to limit / processes, rounded up.
   * @default 1
   */
  readonly processes?: number | undefined;
  /**
   * True: a refusal is remembered in this process and repeated without asking until it ends.
   * @default true
   */
  readonly denialCache?: boolean | undefined;
  /**
   * The most time that a call may lose to a slow or dead store.
   * @default '250ms'
   */
  readonly storeTimeout?: Duration | undefined;
}

export interface ConsumeOptions extends LimitOptions {
  /**
   * Units to take, a whole number. 0 takes nothing and looks.
   * @default 1
   */
  readonly cost?: number | undefined;
  /**
   * Names this request: the same one again, within the window and at most a minute, gets the same answer and is
   * charged once (one that was refused, or was given back, asks anew). With it, a request whose reply is lost is sent
   * again, within `storeTimeout`. Not with a `concurrency` rule.
   */
  readonly requestId?: string | undefined;
  /**
   * How long to wait for room; the decision is what stands at its end.
   * @default 0
   */
  readonly wait?: Duration | undefined;
  /** Ends the wait: rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends ConsumeOptions {
  /** True, or a function of the error: a failure of the work gives its units back. @default false */
  readonly refundOnError?: boolean | ((error: unknown) => boolean) | undefined;
  /** True: the work runs whatever the limit says; what it would have said is published as `limit`. @default false */
  readonly dryRun?: boolean | undefined;
}

/** The same as a schema: names, checks and defaults. */
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

/** The options of one call, resolved. Durations are in ms. */
export type LimitPolicy = Resolved<typeof limitOptions>;

export const LIMIT_DEFAULTS: LimitPolicy = defaultsOf(limitOptions);
