import type { Call } from './calls.js';

/** What one rule says of a history. Doubt about the moments of its calls speaks for the limiter. */
export interface Judge {
  /** Where more was admitted than the rule allows, as sentences. */
  readonly excess: readonly { readonly at: number; readonly detail: string }[];
  /** Might there have been no room for this call, had it come at `at`, with what was taken before it? */
  mayRefuse(call: Call, at: number): boolean;
  /** Was there certainly no room for this call, had it come at `at`, with what was taken before it? */
  mustRefuse(call: Call, at: number): boolean;
}
