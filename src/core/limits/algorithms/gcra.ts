import type { RateRule } from '../../ports/rate-store.js';
import {
  unitsToCheck,
  toMs,
  windowOf,
  unitsToWaitFor,
  type RuleStatus,
  type RateAlgorithm,
} from './algorithm.js';

/**
 * What is owed at a moment, in credits: a unit is worth as many as the window has microseconds, and every
 * microsecond pays back `limit` of them. So the arithmetic is exact for limits that no whole number of
 * microseconds divides into.
 */
export interface GcraState {
  readonly at: number;
  readonly debt: number;
}

/** GCRA, and the token bucket, which is the same one told from its other end: what is not owed are its tokens. */
export const gcra: RateAlgorithm<GcraState> = {
  hasRoom(rule, state, now, cost) {
    return debtAt(rule, state, now) + unitsToCheck(cost) * windowOf(rule) <= capacity(rule);
  },

  consume(rule, state, now, cost) {
    return { at: later(state, now), debt: debtAt(rule, state, now) + cost * windowOf(rule) };
  },

  refund(rule, state, now, cost) {
    const debt = debtAt(rule, state, now) - cost * windowOf(rule);
    return debt > 0 ? { at: later(state, now), debt } : undefined;
  },

  status(rule, state, now, cost): RuleStatus {
    const unit = windowOf(rule);
    const room = capacity(rule);
    const owed = debtAt(rule, state, now);
    const excess = owed + unitsToWaitFor(rule, cost) * unit - room;
    return {
      used: Math.ceil(owed / unit),
      remaining: Math.max(0, Math.floor((room - owed) / unit)),
      retryAfterMs: excess <= 0 ? 0 : toMs(Math.ceil(excess / rule.limit)),
      resetMs: toMs(Math.ceil(owed / rule.limit)),
    };
  },
};

function later(state: GcraState | undefined, now: number): number {
  // guard: gcra-stands-still-while-the-clock-is-back
  return state === undefined ? now : Math.max(now, state.at);
}

function debtAt(rule: RateRule, state: GcraState | undefined, now: number): number {
  if (state === undefined) return 0;
  return Math.max(0, state.debt - (later(state, now) - state.at) * rule.limit);
}

function capacity(rule: RateRule): number {
  return rule.burst * windowOf(rule);
}
