import type { RateRule } from '../../ports/rate-store.js';
import {
  unitsToCheck,
  toMs,
  windowOf,
  unitsToWaitFor,
  type RuleStatus,
  type RateAlgorithm,
} from './algorithm.js';

/** The units of one request. */
interface TakenUnits {
  readonly takenAt: number;
  readonly token: string;
  units: number;
}

/** The units taken within the last window, oldest first. */
export interface SlidingWindowLogState {
  readonly entries: TakenUnits[];
  /** Units in all entries. */
  count: number;
}

/** Exact, with memory in proportion to the limit. States are changed in place, because they may be long. */
export const slidingWindowLog: RateAlgorithm<SlidingWindowLogState> = {
  hasRoom(rule, state, now, cost) {
    return liveAt(rule, state, now).count + unitsToCheck(cost) <= rule.limit;
  },

  consume(rule, state = { entries: [], count: 0 }, now, cost, token) {
    dropEnded(rule, state, now);
    // A forced request may exceed the limit. Only the newest units then determine when there is room again.
    const units = Math.min(cost, rule.limit);
    state.entries.push({ takenAt: latest(state, now), token, units });
    state.count += units;
    dropOldest(state, state.count - rule.limit);
    return state;
  },

  refund(rule, state, now, cost, token) {
    dropEnded(rule, state, now);
    const remaining = removeNewest(state, cost, token);
    removeNewest(state, remaining, undefined);
    return state.count > 0 ? state : undefined;
  },

  status(rule, state, now, cost): RuleStatus {
    const { from, count } = liveAt(rule, state, now);
    if (state === undefined || count === 0) return logStatus(rule, 0, 0, 0);
    const clamped = latest(state, now);
    const endsIn = (takenAt: number): number => takenAt + windowOf(rule) - clamped;
    const excess = count + unitsToWaitFor(rule, cost) - rule.limit;
    return logStatus(
      rule,
      count,
      excess <= 0 ? 0 : endsIn(timeOfUnit(state, from, excess)),
      endsIn(state.entries.at(-1)!.takenAt),
    );
  },
};

/**
 * The status of a rule that counts single units: log entries or slots.
 *
 * @param roomIn microseconds until there is room; 0: now
 * @param emptyIn microseconds until no unit counts
 */
export function logStatus(rule: RateRule, used: number, roomIn: number, emptyIn: number): RuleStatus {
  return {
    used,
    remaining: Math.max(0, rule.limit - used),
    retryAfterMs: toMs(roomIn),
    resetMs: toMs(emptyIn),
  };
}

function latest({ entries }: SlidingWindowLogState, now: number): number {
  return Math.max(now, entries.at(-1)?.takenAt ?? now);
}

/** The index of the first entry that counts, and the units that count. */
function liveAt(
  rule: RateRule,
  state: SlidingWindowLogState | undefined,
  now: number,
): { readonly from: number; readonly count: number } {
  if (state === undefined) return { from: 0, count: 0 };
  const end = latest(state, now) - windowOf(rule);
  let from = 0;
  let { count } = state;
  for (const { takenAt, units } of state.entries) {
    // guard: log-counts-for-a-whole-window
    if (takenAt > end) break;
    count -= units;
    from++;
  }
  return { from, count };
}

/** When the `nth` unit that counts was taken, counted from the oldest. */
function timeOfUnit({ entries }: SlidingWindowLogState, from: number, nth: number): number {
  let i = from;
  for (let remaining = nth - entries[i]!.units; remaining > 0; remaining -= entries[i]!.units) i++;
  return entries[i]!.takenAt;
}

function dropEnded(rule: RateRule, state: SlidingWindowLogState, now: number): void {
  const { from, count } = liveAt(rule, state, now);
  state.entries.splice(0, from);
  state.count = count;
}

function dropOldest(state: SlidingWindowLogState, units: number): void {
  let remaining = units;
  while (remaining > 0) {
    const oldest = state.entries[0]!;
    const dropped = Math.min(remaining, oldest.units);
    oldest.units -= dropped;
    state.count -= dropped;
    remaining -= dropped;
    if (oldest.units === 0) state.entries.shift();
  }
}

/**
 * Removes units, from the newest entry on.
 *
 * @param token whose entries; undefined: all entries
 * @returns the units that were not found
 */
function removeNewest(state: SlidingWindowLogState, units: number, token: string | undefined): number {
  let remaining = units;
  for (let i = state.entries.length - 1; i >= 0 && remaining > 0; i--) {
    const entry = state.entries[i]!;
    if (token !== undefined && entry.token !== token) continue;
    const removed = Math.min(remaining, entry.units);
    entry.units -= removed;
    state.count -= removed;
    remaining -= removed;
    if (entry.units === 0) state.entries.splice(i, 1);
  }
  return remaining;
}
