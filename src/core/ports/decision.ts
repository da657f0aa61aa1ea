import type { Algorithm } from './rate-store.js';

/** What a rate limit decides about a call. A value: a limit that is used up throws nothing by itself. */
export interface Decision {
  readonly allowed: boolean;
  /** Units in a window, of the deciding rule: the one that refuses for longest, else the one with the fewest units left. */
  readonly limit: number;
  /** Units that could be taken now, 0 or more. */
  readonly remaining: number;
  /** Until the same call would be allowed, in ms, rounded up; 0: now; Infinity: never. */
  readonly retryAfterMs: number;
  /** Until no unit that was taken counts any more, in ms, rounded up. */
  readonly resetMs: number;
  /** The name of the deciding rule; `block` after `limits.block`. */
  readonly rule: string;
  /**
   * What decided. `store`: the store, for all processes. `denialCache`: an earlier refusal that still holds.
   * `fallback`: the policy for a store that does not answer. `none`: nothing had to be asked (a limit of 0, a `Caching`
   * that is not enabled).
   */
  readonly source: 'store' | 'denialCache' | 'fallback' | 'none';
  /** What each rule decides, in the order given. */
  readonly rules: readonly RuleDecision[];
}

export interface RuleDecision {
  readonly rule: string;
  readonly algorithm: Algorithm;
  readonly allowed: boolean;
  readonly limit: number;
  /** The window in ms; for `concurrency` the lease of a slot. */
  readonly perMs: number;
  /** Units that were taken and still count. */
  readonly used: number;
  readonly remaining: number;
  readonly retryAfterMs: number;
  readonly resetMs: number;
}
