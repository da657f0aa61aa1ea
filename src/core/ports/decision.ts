import type { Algorithm } from './rate-store.js';

/** What a rate limit decides about a call. A refusal is a value, not an error. */
export interface Decision {
  /** True if every rule had room for the cost and the subject is not blocked. */
  readonly allowed: boolean;
  /**
   * Units in a window of the deciding rule. If rules refuse, that is the one that refuses for longest; otherwise the one
   * with the fewest units left.
   */
  readonly limit: number;
  /** Units of the deciding rule that could be taken now, 0 or more. */
  readonly remaining: number;
  /** Time until the same call would be allowed, in ms, rounded up. 0: now. Infinity: never. */
  readonly retryAfterMs: number;
  /** Time until the deciding rule counts no unit any more, in ms, rounded up. */
  readonly resetMs: number;
  /** The name of the deciding rule; `block` after `limits.block`. */
  readonly rule: string;
  /**
   * What made the decision. `store`: the store, for all processes. `denialCache`: an earlier refusal that has not ended.
   * `fallback`: the policy `onUnavailable`, because the store did not answer. `none`: no store was needed (a limit of 0, or
   * a `Caching` that is not enabled).
   */
  readonly source: 'store' | 'denialCache' | 'fallback' | 'none';
  /** The decision of each rule, in the order of the rules. */
  readonly rules: readonly RuleDecision[];
}

/** What one rule decides about a call. */
export interface RuleDecision {
  /** The name of the rule. */
  readonly rule: string;
  readonly algorithm: Algorithm;
  readonly allowed: boolean;
  readonly limit: number;
  /** The window in ms. For `concurrency`: the lease of a slot in ms. */
  readonly perMs: number;
  /** Units that were taken and still count, 0 or more. */
  readonly used: number;
  readonly remaining: number;
  readonly retryAfterMs: number;
  readonly resetMs: number;
}
