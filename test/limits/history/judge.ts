import type { Call } from './calls.js';

/** Something that should not be in a history, as a sentence. */
export interface Finding {
  readonly at: number;
  readonly detail: string;
}

/** What one rule says of a history. Doubt about the moments of its calls speaks for the limiter. */
export interface Judge {
  /** Where more was admitted than the rule allows. */
  readonly excess: readonly Finding[];
  /** Where the end that a reply gives for its window contradicts the rule or other replies. */
  readonly wrongWindows: readonly Finding[];
  /** Might there have been no room for this call, had it come at `at`, with what was taken before it? */
  mayRefuse(call: Call, at: number): boolean;
  /** Was there certainly no room for this call, had it come at `at`, with what was taken before it? */
  mustRefuse(call: Call, at: number): boolean;
}
