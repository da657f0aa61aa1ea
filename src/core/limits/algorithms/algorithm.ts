import { MAX_MS } from '../../ports/rate-store.js';
import type { RateRule, RuleReading } from '../../ports/rate-store.js';

/** A `RuleReading` without `allowed`, which refers to the state before the request. */
export type RuleStatus = Omit<RuleReading, 'allowed'>;

/**
 * An algorithm as functions of a state, which is undefined if nothing is counted. Times (`now`, and those in a state) are
 * whole microseconds of one clock; a clock that steps back counts as standing still until it has caught up. All stored
 * numbers are integers, so that the Lua scripts, which compute with doubles, get the same numbers.
 *
 * @see G9
 */
export interface RateAlgorithm<State> {
  /** True if there is room for the cost; for a cost of 0, for one unit. */
  hasRoom(rule: RateRule, state: State | undefined, now: number, cost: number, token: string): boolean;
  /** The state after taking the cost (1 or more), with or without room. The passed state must not be used afterwards. */
  consume(rule: RateRule, state: State | undefined, now: number, cost: number, token: string): State;
  /** The state after a refund: units of `token` first. The passed state must not be used afterwards. */
  refund(rule: RateRule, state: State, now: number, cost: number, token: string): State | undefined;
  /** The status for the next request with the same cost. */
  status(rule: RateRule, state: State | undefined, now: number, cost: number): RuleStatus;
}

/** The window in microseconds. For algorithms that count credits, also the credits of one unit. */
export function windowOf(rule: RateRule): number {
  return rule.perMs * 1000;
}

/** The units for which `allowed` checks the room. */
export function unitsToCheck(cost: number): number {
  return Math.max(1, cost);
}

/** The units for which `retryAfterMs` is computed; capped at the burst, because a forced request may exceed it. */
export function unitsToWaitFor(rule: RateRule, cost: number): number {
  return Math.min(Math.max(1, cost), rule.burst);
}

/** Converts to ms, rounded up, so that a call after `retryAfterMs` is not refused because of a fraction of a millisecond. */
export function toMs(microseconds: number): number {
  return Math.min(Math.ceil(microseconds / 1000), MAX_MS);
}
