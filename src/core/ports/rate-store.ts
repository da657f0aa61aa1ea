export type Algorithm =
  | 'gcra'
  | 'sliding-window-log'
  | 'sliding-window-counter'
  | 'fixed-window'
  | 'token-bucket'
  | 'concurrency';

/** A rule as a store applies it: checked, in whole numbers. */
export interface RateRule {
  /** Whole key in the store. All rules of one request share the slot of its `subject`. */
  readonly key: string;
  readonly algorithm: Algorithm;
  /** Units in a window; for `concurrency` slots. At least 1: a rule of 0 never reaches a store. */
  readonly limit: number;
  /** The window in ms; for `concurrency` the life of a slot that nobody renews. */
  readonly perMs: number;
  /** Units that may be taken at once by `gcra` and `token-bucket`; the limit for the others. */
  readonly burst: number;
}

export interface RateRequest {
  /** Whole key of the subject: its block stands there, and it is the name of its wakes. */
  readonly subject: string;
  readonly rules: readonly RateRule[];
  /** Units to take, a whole number; 0 only looks. Never more than a rule's burst unless forced. */
  readonly cost: number;
  /** Names what is taken, so that it can be given back: the owner of slots and of entries in a log. */
  readonly token: string;
  /**
   * True: this request may come again (a reply was lost), and is then answered as the first time and taken once.
   * The store remembers it by its token for as long as the longest window, at most a minute.
   */
  readonly repeatable: boolean;
  /** True: the units are taken whatever rules and blocks say, so that less than nothing may remain. */
  readonly force: boolean;
}

export interface RuleReading {
  /** There was room for the cost; at cost 0, for one unit. */
  readonly allowed: boolean;
  /** Units taken and still counting, after this request (rounded up). May exceed the burst when forced. */
  readonly used: number;
  /** Units that could be taken now, after this request, 0 or more. */
  readonly remaining: number;
  /** Until there is room for the same cost again (at cost 0, for one unit), in ms, rounded up; 0 if there is now. */
  readonly retryAfterMs: number;
  /** Until nothing that was taken counts any more, in ms, rounded up. */
  readonly resetMs: number;
}

/** Ten years. No store keeps a time for longer, or has a number for it. */
export const MAX_MS = 10 * 365 * 86_400_000;

export interface RateReply {
  /** The subject is blocked for so many ms; 0: it is not. Nothing is taken then, unless forced. */
  readonly blockedMs: number;
  /** As many as the request has rules. Units were taken only if all are allowed and there is no block. */
  readonly rules: readonly RuleReading[];
}

/**
 * What rate limits count. Every verb is atomic over all rules of its request, takes one round trip, reads the
 * store's own clock once, leaves no key without an end, and fails with a StoreUnavailableError.
 */
export interface RateStore {
  consume(request: RateRequest, timeout?: number): Promise<RateReply>;
  /**
   * Gives units back: what `token` took first (slots, entries of a log), then any. Never below nothing taken.
   * With `wakeOnlyIfFull` the subject is woken only if a `concurrency` rule was full.
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
  /** Moves the end of the slots that `token` holds. False: at least one of the rules does not know it any more. */
  renew(rules: readonly RateRule[], token: string, timeout?: number): Promise<boolean>;
  /** Refuses everything for this subject for `ms` from now; wakes it. */
  block(subject: string, ms: number, timeout?: number): Promise<void>;
  /** Forgets the subject's block and what was counted under `keys`; wakes it. */
  reset(subject: string, keys: readonly string[], timeout?: number): Promise<void>;
}
