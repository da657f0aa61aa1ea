import type { Call } from './calls.js';

/** Something in a history that violates a rule. */
export interface Finding {
  readonly at: number;
  readonly detail: string;
}

/** The judgement of one rule. If the moment of a call is uncertain, the limiter gets the benefit of the doubt. */
export interface Judge {
  /** More units were admitted than the rule allows. */
  readonly excess: readonly Finding[];
  /** The end of a window in a reply contradicts the rule or other replies. */
  readonly wrongWindows: readonly Finding[];
  /** Returns whether the rule may have been full for this call at `at`, given the units taken before it. */
  mayRefuse(call: Call, at: number): boolean;
  /** Returns whether the rule was certainly full for this call at `at`, given the units taken before it. */
  mustRefuse(call: Call, at: number): boolean;
}
