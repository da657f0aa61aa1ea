import type { Algorithm } from '../../../src/core/ports/rate-store.js';
import type { Decision } from '../../../src/core/ports/decision.js';

/** A rule as the checkers take it: in plain numbers. */
export interface CheckedRule {
  readonly algorithm: Algorithm;
  readonly limit: number;
  /** The window in ms; for `concurrency` of no meaning. */
  readonly perMs: number;
  /** Of `gcra` and `token-bucket`; the limit if it is left out. */
  readonly burst?: number | undefined;
}

/**
 * One call, as its process saw it. The store decided at some moment between `sent` and `received`: both in ms of
 * `process.hrtime`, which all processes of a machine share.
 */
export interface Call {
  readonly process: number;
  readonly sent: number;
  readonly received: number;
  readonly cost: number;
  /** `unknown`: it failed. Its units may have been taken at any time since it was sent, or not at all. */
  readonly outcome: 'admitted' | 'refused' | 'unknown';
  readonly source: Decision['source'];
  readonly retryAfterMs: number;
  readonly resetMs: number;
}

/** A call of `run`: what it held its slot for began and ended within the call, by the worker's own clock. */
export interface Run {
  readonly process: number;
  readonly sent: number;
  readonly received: number;
  readonly outcome: 'admitted' | 'refused' | 'unknown';
  /** Of the body; NaN where none ran. */
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
  /** Units. */
  readonly admitted: number;
  readonly unknown: number;
  /** Most units that were surely admitted within one window; of bodies, most that surely ran at once. */
  readonly most: number;
  /** What `most` may be. */
  readonly allowed: number;
  /** Units that must have been admitted under the pressure of this history, and that may have been. */
  readonly expected: { readonly least: number; readonly most: number };
  readonly violations: readonly Violation[];
}

/** The server's clock counts whole microseconds. */
export const CLOCK_GRAIN_MS = 0.001;
