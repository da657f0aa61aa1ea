import type { RateRule } from '../../ports/rate-store.js';
import {
  unitsToCheck,
  toMs,
  windowOf,
  unitsToWaitFor,
  type RuleStatus,
  type RateAlgorithm,
} from './algorithm.js';

/** What one request took. */
interface TakenUnits {
  readonly at: number;
  readonly token: string;
  units: number;
}

/** What was taken within the last window, the oldest first. */
export interface SlidingWindowLogState {
  readonly entries: TakenUnits[];
  /** Units in all entries. */
  count: number;
}

/** Exact, and as large as its limit. A state is changed in place, for it may be long. */
export const slidingWindowLog: RateAlgorithm<SlidingWindowLogState> = {
  hasRoom(rule, state, now, cost) {
    return liveAt(rule, state, now).count + unitsToCheck(cost) <= rule.limit;
  },

  consume(rule, state = { entries: [], count: 0 }, now, cost, token) {
    dropEnded(rule, state, now);
    // What is forced may be more than the limit, and then the newest alone say when there is room again.
    const units = Math.min(cost, rule.limit);
    state.entries.push({ at: latest(state, now), token, units });
    state.count += units;
    dropOldest(state, state.count - rule.limit);
    return state;
  },

  refund(rule, state, now, cost, token) {
    dropEnded(rule, state, now);
    const left = removeNewest(state, cost, token);
    removeNewest(state, left, undefined);
    return state.count > 0 ? state : undefined;
  },

  status(rule, state, now, cost): RuleStatus {
    const { from, count } = liveAt(rule, state, now);
    if (state === undefined || count === 0) return logStatus(rule, 0, 0, 0);
    const clamped = latest(state, now);
    const ends = (at: number): number => at + windowOf(rule) - clamped;
    const excess = count + unitsToWaitFor(rule, cost) - rule.limit;
    return logStatus(
      rule,
      count,
      excess <= 0 ? 0 : ends(timeOfUnit(state, from, excess)),
      ends(state.entries.at(-1)!.at),
    );
  },
};

/**
 * The amounts of whatever is counted one by one: entries of a log, slots.
 *
 * @param freed microseconds until there is room for what is wished, 0 if there is now
 * @param emptied microseconds until nothing counts
 */
export function logStatus(rule: RateRule, used: number, freed: number, emptied: number): RuleStatus {
  return {
    used,
    remaining: Math.max(0, rule.limit - used),
    retryAfterMs: toMs(freed),
    resetMs: toMs(emptied),
  };
}

function latest({ entries }: SlidingWindowLogState, now: number): number {
  return Math.max(now, entries.at(-1)?.at ?? now);
}

/** The first entry that counts, and the units that do. */
function liveAt(
  rule: RateRule,
  state: SlidingWindowLogState | undefined,
  now: number,
): { readonly from: number; readonly count: number } {
  if (state === undefined) return { from: 0, count: 0 };
  const end = latest(state, now) - windowOf(rule);
  let from = 0;
  let { count } = state;
  for (const { at, units } of state.entries) {
    // guard: log-counts-for-a-whole-window
    if (at > end) break;
    count -= units;
    from++;
  }
  return { from, count };
}

/** When the `nth` of the units that count was taken, the oldest being the first. */
function timeOfUnit({ entries }: SlidingWindowLogState, from: number, nth: number): number {
  let i = from;
  for (let left = nth - entries[i]!.units; left > 0; left -= entries[i]!.units) i++;
  return entries[i]!.at;
}

function dropEnded(rule: RateRule, state: SlidingWindowLogState, now: number): void {
  const { from, count } = liveAt(rule, state, now);
  state.entries.splice(0, from);
  state.count = count;
}

function dropOldest(state: SlidingWindowLogState, units: number): void {
  let left = units;
  while (left > 0) {
    const oldest = state.entries[0]!;
    const dropped = Math.min(left, oldest.units);
    oldest.units -= dropped;
    state.count -= dropped;
    left -= dropped;
    if (oldest.units === 0) state.entries.shift();
  }
}

/**
 * @param token of whose entries; undefined: of any
 * @returns how many of the units did not stand there
 */
function removeNewest(state: SlidingWindowLogState, units: number, token: string | undefined): number {
  let left = units;
  for (let i = state.entries.length - 1; i >= 0 && left > 0; i--) {
    const entry = state.entries[i]!;
    if (token !== undefined && entry.token !== token) continue;
    const removed = Math.min(left, entry.units);
    entry.units -= removed;
    state.count -= removed;
    left -= removed;
    if (entry.units === 0) state.entries.splice(i, 1);
  }
  return left;
}
