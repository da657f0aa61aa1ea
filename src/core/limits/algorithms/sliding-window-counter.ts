import type { RateRule } from '../../ports/rate-store.js';
import {
  unitsToCheck,
  toMs,
  windowOf,
  unitsToWaitFor,
  type RuleStatus,
  type RateAlgorithm,
} from './algorithm.js';

/** Two fixed windows side by side: what the one before took counts for the share of it that is not yet over. */
export interface SlidingWindowCounterState {
  readonly start: number;
  readonly current: number;
  readonly previous: number;
}

/** Weights are in credits, of which a unit is worth as many as the window has microseconds: no fractions. */
export const slidingWindowCounter: RateAlgorithm<SlidingWindowCounterState> = {
  hasRoom(rule, state, now, cost) {
    const unit = windowOf(rule);
    return weightOf(rule, windowsAt(rule, state, now), now) + unitsToCheck(cost) * unit <= rule.limit * unit;
  },

  consume(rule, state, now, cost) {
    const { start, current, previous } = windowsAt(rule, state, now);
    return { start, current: current + cost, previous };
  },

  refund(rule, state, now, cost) {
    const { start, current, previous } = windowsAt(rule, state, now);
    const newer = Math.min(current, cost);
    const older = Math.min(previous, cost - newer);
    if (current - newer + (previous - older) === 0) return undefined;
    return { start, current: current - newer, previous: previous - older };
  },

  status(rule, state, now, cost): RuleStatus {
    const unit = windowOf(rule);
    const windows = windowsAt(rule, state, now);
    const { start, current, previous } = windows;
    const left = start + unit - Math.max(now, start);
    const weight = weightOf(rule, windows, now);
    return {
      used: Math.ceil(weight / unit),
      remaining: Math.max(0, Math.floor((rule.limit * unit - weight) / unit)),
      retryAfterMs: retryAfter(rule, windows, weight, left, unitsToWaitFor(rule, cost)),
      resetMs: current > 0 ? toMs(left + unit) : previous > 0 ? toMs(left) : 0,
    };
  },
};

function windowsAt(
  rule: RateRule,
  state: SlidingWindowCounterState | undefined,
  now: number,
): SlidingWindowCounterState {
  const unit = windowOf(rule);
  if (state === undefined || now >= state.start + 2 * unit) return { start: now, current: 0, previous: 0 };
  if (now < state.start + unit) return state;
  if (state.current === 0) return { start: now, current: 0, previous: 0 };
  // guard: previous-window-counts-for-its-share
  return { start: state.start + unit, current: 0, previous: state.current };
}

function weightOf(
  rule: RateRule,
  { start, current, previous }: SlidingWindowCounterState,
  now: number,
): number {
  const unit = windowOf(rule);
  return previous * (unit - (Math.max(now, start) - start)) + current * unit;
}

/** @param left of the present window, in microseconds */
function retryAfter(
  rule: RateRule,
  { current, previous }: SlidingWindowCounterState,
  weight: number,
  left: number,
  wish: number,
): number {
  const unit = windowOf(rule);
  const excess = weight + wish * unit - rule.limit * unit;
  if (excess <= 0) return 0;
  if (current + wish <= rule.limit) return toMs(Math.ceil(excess / previous));
  // Not in this window: in the next one this one fades.
  return toMs(left + Math.ceil((unit * (current + wish - rule.limit)) / current));
}
