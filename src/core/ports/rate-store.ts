/** How a rule counts (docs/rate-limits.md). */
export type Algorithm =
  | 'gcra'
  | 'sliding-window-log'
  | 'sliding-window-counter'
  | 'fixed-window'
  | 'token-bucket'
  | 'concurrency';

/** A rule as a store applies it: validated, with whole numbers only. */
export interface RateRule {
  /** The complete store key. All rules of one request share the cluster slot of its `subject`. */
  readonly key: string;
  readonly algorithm: Algorithm;
  /** Units in a window; slots for `concurrency`. At least 1: a rule with a limit of 0 is decided without the store. */
  readonly limit: number;
  /** The window in ms. For `concurrency`: how long a slot lives without a renewal, in ms. */
  readonly perMs: number;
  /** Units that may be taken at once, for `gcra` and `token-bucket`. Equal to the limit for all others. */
  readonly burst: number;
}

/** A request to take units of all rules together, or none. */
export interface RateRequest {
  /** The complete store key of the subject. Its block is stored there, and `wake` is called with it. */
  readonly subject: string;
  readonly rules: readonly RateRule[];
  /** Units to take, a whole number. 0: read only. Not more than the burst of any rule unless `force` is true. */
  readonly cost: number;
  /** Identifies the taken units, so that they can be refunded: the owner of slots and of log entries. */
  readonly token: string;
  /**
   * True: the request may be repeated after a lost reply. A repetition takes nothing and returns the first reply. The store
   * remembers the token for the longest window of the rules, at most a minute.
   */
  readonly repeatable: boolean;
  /** True: takes the units even without room and despite a block. The usage may then exceed the burst. */
  readonly force: boolean;
}

/** The state of one rule after a request. */
export interface RuleReading {
  /** True if there was room for the cost; for a cost of 0, for one unit. */
  readonly allowed: boolean;
  /** Units that count after this request, rounded up. May exceed the burst after a forced request. */
  readonly used: number;
  /** Units that could be taken now, after this request, 0 or more. */
  readonly remaining: number;
  /** Time until there is room for the same cost again (for a cost of 0: one unit), in ms, rounded up. 0: now. */
  readonly retryAfterMs: number;
  /** Time until no unit counts any more, in ms, rounded up. */
  readonly resetMs: number;
}

/** Ten years: the longest time that a store returns or stores. */
export const MAX_MS = 10 * 365 * 86_400_000;

/** The reply to a request. */
export interface RateReply {
  /** How long the subject is still blocked, in ms. 0: not blocked. A blocked request takes nothing unless forced. */
  readonly blockedMs: number;
  /** One for each rule, in the same order. Units were taken only if all are allowed and the subject is not blocked. */
  readonly rules: readonly RuleReading[];
}

/**
 * The store of rate limits. Every verb is atomic over all rules of its request, takes one round trip, reads the store's
 * clock once, gives every key an expiry, and rejects with a StoreUnavailableError. Timeouts are in ms.
 *
 * @see G9
 */
export interface RateStore {
  /** Takes units of all rules, or of none. */
  consume(request: RateRequest, timeout?: number): Promise<RateReply>;
  /**
   * Refunds units: those that `token` took first (slots, log entries), then any. Usage does not go below 0. Wakes the
   * subject; with `wakeOnlyIfFull` only if a `concurrency` rule was full.
   */
  refund(
    request: {
      readonly subject: string;
      readonly rules: readonly RateRule[];
      readonly cost: number;
      readonly token: string;
      readonly wakeOnlyIfFull: boolean;
    },
    timeout?: number,
  ): Promise<void>;
  /** Extends the slots of `token` to a full lease. Returns false if at least one of the slots no longer exists. */
  renew(rules: readonly RateRule[], token: string, timeout?: number): Promise<boolean>;
  /** Refuses every request for this subject for `ms` from now, and wakes the subject. */
  block(subject: string, ms: number, timeout?: number): Promise<void>;
  /** Removes the block of the subject and the usage under `keys`, and wakes the subject. */
  reset(subject: string, keys: readonly string[], timeout?: number): Promise<void>;
}
