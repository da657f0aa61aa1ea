import type { RateRule } from '../../ports/rate-store.js';
import {
  unitsToCheck,
  toMs,
  windowOf,
  unitsToWaitFor,
  type RuleStatus,
  type RateAlgorithm,
} from './algorithm.js';

/** A window starts with the first call after the previous window has ended, so that subjects have different windows. */
export interface FixedWindowState {
  readonly start: number;
  readonly count: number;
}

export const fixedWindow: RateAlgorithm<FixedWindowState> = {
  hasRoom(rule, state, now, cost) {
    return windowAt(rule, state, now).count + unitsToCheck(cost) <= rule.limit;
  },

  consume(rule, state, now, cost) {
    const { start, count } = windowAt(rule, state, now);
    return { start, count: count + cost };
  },

  refund(rule, state, now, cost) {
    const { start, count } = windowAt(rule, state, now);
    return count > cost ? { start, count: count - cost } : undefined;
  },

  status(rule, state, now, cost): RuleStatus {
    const { start, count } = windowAt(rule, state, now);
    const untilEndMs = toMs(start + windowOf(rule) - Math.max(now, start));
    return {
      used: count,
      remaining: Math.max(0, rule.limit - count),
      retryAfterMs: count + unitsToWaitFor(rule, cost) <= rule.limit ? 0 : untilEndMs,
      resetMs: count === 0 ? 0 : untilEndMs,
    };
  },
};

function windowAt(rule: RateRule, state: FixedWindowState | undefined, now: number): FixedWindowState {
  return state !== undefined && now < state.start + windowOf(rule) ? state : { start: now, count: 0 };
}
