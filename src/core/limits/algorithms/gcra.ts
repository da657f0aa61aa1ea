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
 * The debt at a time, in credits. A unit costs as many credits as the window has microseconds, and every microsecond pays
 * back `limit` credits. So the arithmetic is exact even if the window is not a multiple of the limit.
 */
export interface GcraState {
  readonly updatedAt: number;
  readonly debt: number;
}

/** GCRA and token bucket: tokens = capacity - debt, so one implementation serves both. */
export const gcra: RateAlgorithm<GcraState> = {
  hasRoom(rule, state, now, cost) {
    return debtAt(rule, state, now) + unitsToCheck(cost) * windowOf(rule) <= capacity(rule);
  },

  consume(rule, state, now, cost) {
    return { updatedAt: later(state, now), debt: debtAt(rule, state, now) + cost * windowOf(rule) };
  },

  refund(rule, state, now, cost) {
    const debt = debtAt(rule, state, now) - cost * windowOf(rule);
    return debt > 0 ? { updatedAt: later(state, now), debt } : undefined;
  },

  status(rule, state, now, cost): RuleStatus {
    const unit = windowOf(rule);
    const maxDebt = capacity(rule);
    const debt = debtAt(rule, state, now);
    const excess = debt + unitsToWaitFor(rule, cost) * unit - maxDebt;
    return {
      used: Math.ceil(debt / unit),
      remaining: Math.max(0, Math.floor((maxDebt - debt) / unit)),
      retryAfterMs: excess <= 0 ? 0 : toMs(Math.ceil(excess / rule.limit)),
      resetMs: toMs(Math.ceil(debt / rule.limit)),
    };
  },
};

function later(state: GcraState | undefined, now: number): number {
  // guard: gcra-stands-still-while-the-clock-is-back
  return state === undefined ? now : Math.max(now, state.updatedAt);
}

function debtAt(rule: RateRule, state: GcraState | undefined, now: number): number {
  if (state === undefined) return 0;
  return Math.max(0, state.debt - (later(state, now) - state.updatedAt) * rule.limit);
}

function capacity(rule: RateRule): number {
  return rule.burst * windowOf(rule);
}
