import type { RateRule } from '../ports.js';
import { asked, toMs, windowOf, wished, type Amounts, type RateArithmetic } from './rate-arithmetic.js';

/**
 * What is owed at a moment, in credits: a unit is worth as many as the window has microseconds, and every
 * microsecond pays back `limit` of them. So the arithmetic is exact for limits that no whole number of
 * microseconds divides into.
 */
export interface MeterState {
  readonly at: number;
  readonly debt: number;
}

/** GCRA, and the token bucket, which is the same one told from its other end: what is not owed are its tokens. */
export const meter: RateArithmetic<MeterState> = {
  fits(rule, state, now, cost) {
    return owedAt(rule, state, now) + asked(cost) * windowOf(rule) <= roomOf(rule);
  },

  take(rule, state, now, cost) {
    return { at: later(state, now), debt: owedAt(rule, state, now) + cost * windowOf(rule) };
  },

  give(rule, state, now, cost) {
    const debt = owedAt(rule, state, now) - cost * windowOf(rule);
    return debt > 0 ? { at: later(state, now), debt } : undefined;
  },

  amounts(rule, state, now, cost): Amounts {
    const unit = windowOf(rule);
    const room = roomOf(rule);
    const owed = owedAt(rule, state, now);
    const excess = owed + wished(rule, cost) * unit - room;
    return {
      used: Math.ceil(owed / unit),
      remaining: Math.max(0, Math.floor((room - owed) / unit)),
      retryAfterMs: excess <= 0 ? 0 : toMs(Math.ceil(excess / rule.limit)),
      resetMs: toMs(Math.ceil(owed / rule.limit)),
    };
  },
};

function later(state: MeterState | undefined, now: number): number {
  return state === undefined ? now : Math.max(now, state.at);
}

function owedAt(rule: RateRule, state: MeterState | undefined, now: number): number {
  if (state === undefined) return 0;
  return Math.max(0, state.debt - (later(state, now) - state.at) * rule.limit);
}

function roomOf(rule: RateRule): number {
  return rule.burst * windowOf(rule);
}
