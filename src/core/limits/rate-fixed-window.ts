import type { RateRule } from '../ports.js';
import { asked, toMs, windowOf, wished, type Amounts, type RateArithmetic } from './rate-arithmetic.js';

/** A window begins with the first call after the one before has ended, so that not all subjects begin at once. */
export interface FixedWindowState {
  readonly start: number;
  readonly count: number;
}

export const fixedWindow: RateArithmetic<FixedWindowState> = {
  fits(rule, state, now, cost) {
    return windowAt(rule, state, now).count + asked(cost) <= rule.limit;
  },

  take(rule, state, now, cost) {
    const { start, count } = windowAt(rule, state, now);
    return { start, count: count + cost };
  },

  give(rule, state, now, cost) {
    const { start, count } = windowAt(rule, state, now);
    return count > cost ? { start, count: count - cost } : undefined;
  },

  amounts(rule, state, now, cost): Amounts {
    const { start, count } = windowAt(rule, state, now);
    const ends = toMs(start + windowOf(rule) - Math.max(now, start));
    return {
      used: count,
      remaining: Math.max(0, rule.limit - count),
      retryAfterMs: count + wished(rule, cost) <= rule.limit ? 0 : ends,
      resetMs: count === 0 ? 0 : ends,
    };
  },
};

function windowAt(rule: RateRule, state: FixedWindowState | undefined, now: number): FixedWindowState {
  return state !== undefined && now < state.start + windowOf(rule) ? state : { start: now, count: 0 };
}
