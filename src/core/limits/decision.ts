import type { Algorithm } from '../ports.js';

/** What a rate limit says to a call. A value: nothing is thrown for a limit that is used up. */
export interface Decision {
  readonly allowed: boolean;
  /** Units in a window, of the rule that decided: the one that refused for longest, else the one with least left. */
  readonly limit: number;
  /** Units that could be taken now, 0 or more. */
  readonly remaining: number;
  /** Until the same call would be let through, in ms, rounded up; 0: now; Infinity: never. */
  readonly retryAfterMs: number;
  /** Until nothing that was taken counts any more, in ms, rounded up. */
  readonly resetMs: number;
  /** The name of the rule that decided; `block` where `limits.block` did. */
  readonly rule: string;
  /**
   * Who decided. `store`: all processes together. `blockCache`: an earlier refusal that still holds. `fallback`:
   * the policy for a store that does not answer. `none`: nobody had to be asked (a limit of 0, a `Caching` that is
   * not enabled).
   */
  readonly source: 'store' | 'blockCache' | 'fallback' | 'none';
  /** What each rule says, in the order given. */
  readonly rules: readonly RuleDecision[];
}

export interface RuleDecision {
  readonly rule: string;
  readonly algorithm: Algorithm;
  readonly allowed: boolean;
  readonly limit: number;
  /** The window in ms; for `concurrency` the life of a slot. */
  readonly perMs: number;
  /** Units taken and still counting. */
  readonly used: number;
  readonly remaining: number;
  readonly retryAfterMs: number;
  readonly resetMs: number;
}
