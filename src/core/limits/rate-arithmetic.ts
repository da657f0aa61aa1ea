import type { RateRule, RuleReading } from '../ports.js';

/** A reading without its `allowed`, which speaks of the state before the request. */
export type Amounts = Omit<RuleReading, 'allowed'>;

/**
 * How one algorithm counts: functions of a state, which is undefined where nothing counts. Times (`now`, and those in
 * a state) are whole microseconds of one clock; one that steps back stands still until it has caught up. Every
 * number that is kept is whole, so that another store that does the same sums on doubles (Lua) gets the same numbers.
 */
export interface RateArithmetic<State> {
  /** Is there room for the cost (at cost 0: for one unit)? */
  fits(rule: RateRule, state: State | undefined, now: number, cost: number, token: string): boolean;
  /** The state after the cost, 1 or more, is taken, whether it fits or not. `state` is not used any more. */
  take(rule: RateRule, state: State | undefined, now: number, cost: number, token: string): State;
  /** The state after the cost is given back: what `token` took first. `state` is not used any more. */
  give(rule: RateRule, state: State, now: number, cost: number, token: string): State | undefined;
  /** What a state says to the next request of the same cost. */
  amounts(rule: RateRule, state: State | undefined, now: number, cost: number): Amounts;
}

/** The window in microseconds; where units are counted in credits, also what one unit is worth. */
export function windowOf(rule: RateRule): number {
  return rule.perMs * 1000;
}

/** What `allowed` speaks of. */
export function asked(cost: number): number {
  return Math.max(1, cost);
}

/** What `retryAfterMs` speaks of: a forced request may take more than ever has room. */
export function wished(rule: RateRule, cost: number): number {
  return Math.min(Math.max(1, cost), rule.burst);
}

/** Ten years. No store keeps a time for longer, or has a number for it. */
export const LONGEST_MS = 10 * 365 * 86_400_000;

/** Rounded up, so that who waits as long as he is told is not refused for the rest of a millisecond. */
export function toMs(microseconds: number): number {
  return Math.min(Math.ceil(microseconds / 1000), LONGEST_MS);
}
