import { MAX_MS } from '../../ports/rate-store.js';
import type { RateRule, RuleReading } from '../../ports/rate-store.js';

/** A reading without its `allowed`, which speaks of the state before the request. */
export type RuleStatus = Omit<RuleReading, 'allowed'>;

/**
 * How one algorithm counts: functions of a state, which is undefined where nothing counts. Times (`now`, and those in
 * a state) are whole microseconds of one clock; one that steps back stands still until it has caught up. Every
 * number that is kept is whole, so that another store that does the same sums on doubles (Lua) gets the same numbers.
 */
export interface RateAlgorithm<State> {
  /** Is there room for the cost (at cost 0: for one unit)? */
  hasRoom(rule: RateRule, state: State | undefined, now: number, cost: number, token: string): boolean;
  /** The state after the cost, 1 or more, is taken, whether it fits or not. `state` is not used any more. */
  consume(rule: RateRule, state: State | undefined, now: number, cost: number, token: string): State;
  /** The state after the cost is given back: what `token` took first. `state` is not used any more. */
  refund(rule: RateRule, state: State, now: number, cost: number, token: string): State | undefined;
  /** What a state says to the next request of the same cost. */
  status(rule: RateRule, state: State | undefined, now: number, cost: number): RuleStatus;
}

/** The window in microseconds; where units are counted in credits, also what one unit is worth. */
export function windowOf(rule: RateRule): number {
  return rule.perMs * 1000;
}

/** What `allowed` speaks of. */
export function unitsToCheck(cost: number): number {
  return Math.max(1, cost);
}

/** What `retryAfterMs` speaks of: a forced request may take more than ever has room. */
export function unitsToWaitFor(rule: RateRule, cost: number): number {
  return Math.min(Math.max(1, cost), rule.burst);
}

/** Rounded up, so that who waits as long as he is told is not refused for the rest of a millisecond. */
export function toMs(microseconds: number): number {
  return Math.min(Math.ceil(microseconds / 1000), MAX_MS);
}
