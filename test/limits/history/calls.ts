import type { Algorithm } from '../../../src/core/ports/rate-store.js';
import type { Decision } from '../../../src/core/ports/decision.js';

/** A rule with plain numbers, as the checkers take it. */
export interface CheckedRule {
  readonly algorithm: Algorithm;
  readonly limit: number;
  /** The window in ms. Ignored for `concurrency`. */
  readonly perMs: number;
  /** For `gcra` and `token-bucket`. @default the limit */
  readonly burst?: number | undefined;
}

/**
 * One call as its process recorded it. The store decides at an unknown moment between `sent` and `received`. Both are
 * in ms of `process.hrtime`, which all processes of a machine share.
 */
export interface Call {
  readonly process: number;
  readonly sent: number;
  readonly received: number;
  readonly cost: number;
  /** `unknown`: the call failed. Its units were taken at some time after it was sent, or not at all. */
  readonly outcome: 'admitted' | 'refused' | 'unknown';
  readonly source: Decision['source'];
  readonly retryAfterMs: number;
  readonly resetMs: number;
}

/** One call of `run`. `begun` and `ended` are the times of its body, by the clock of the worker. */
export interface Run {
  readonly process: number;
  readonly sent: number;
  readonly received: number;
  readonly outcome: 'admitted' | 'refused' | 'unknown';
  /** NaN if the body did not run. */
  readonly begun: number;
  readonly ended: number;
}

export interface Violation {
  readonly rule:
    | 'over the limit'
    | 'refused with room'
    | 'told to wait too long'
    | 'told to wait too short'
    | 'wrong window';
  /** In ms since the first call. */
  readonly at: number;
  readonly detail: string;
}

export interface Verdict {
  readonly calls: number;
  /** In units. */
  readonly admitted: number;
  readonly unknown: number;
  /** The most units certainly admitted within one window; for runs, the most bodies that certainly ran at once. */
  readonly most: number;
  /** The upper bound of `most`. */
  readonly allowed: number;
  /** How many units the rules must admit, at least, under the load of this history, and how many they may admit. */
  readonly expected: { readonly least: number; readonly most: number };
  readonly violations: readonly Violation[];
}

/** The clock of the server has a resolution of one microsecond. */
export const CLOCK_GRAIN_MS = 0.001;
