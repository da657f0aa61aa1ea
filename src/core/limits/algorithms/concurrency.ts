import type { RateRule } from '../../ports/rate-store.js';
import { windowOf, type RuleStatus, type RateAlgorithm } from './algorithm.js';
import { logStatus } from './sliding-window-log.js';

/** Owner of a slot to the end of its lease, in microseconds. */
export type ConcurrencyState = Map<string, number>;

/** Concurrency: a call holds one slot, regardless of its cost. A refund releases only the slot of its token. */
export const concurrency: RateAlgorithm<ConcurrencyState> = {
  hasRoom(rule, state, now, _cost, token) {
    let others = 0;
    for (const owner of liveSlots(state, now).keys()) if (owner !== token) others++;
    return others + 1 <= rule.limit;
  },

  consume(rule, state, now, _cost, token) {
    return liveSlots(state, now).set(token, now + windowOf(rule));
  },

  refund(_rule, state, now, _cost, token) {
    const slots = liveSlots(state, now);
    slots.delete(token);
    return slots.size > 0 ? slots : undefined;
  },

  status(rule, state, now): RuleStatus {
    const ends = [...liveSlots(state, now).values()].sort((a, b) => a - b);
    const excess = ends.length + 1 - rule.limit;
    const roomIn = excess <= 0 ? 0 : ends[excess - 1]! - now;
    return logStatus(rule, ends.length, roomIn, ends.length === 0 ? 0 : ends.at(-1)! - now);
  },
};

/** True if every slot is taken. */
export function isFull(rule: RateRule, state: ConcurrencyState, now: number): boolean {
  return liveSlots(state, now).size >= rule.limit;
}

/** Renews a slot. Returns false if the owner has no slot any more. */
export function renewSlot(rule: RateRule, state: ConcurrencyState, now: number, token: string): boolean {
  const end = state.get(token);
  if (end === undefined || end <= now) return false;
  state.set(token, now + windowOf(rule));
  return true;
}

function liveSlots(state: ConcurrencyState | undefined, now: number): ConcurrencyState {
  const live: ConcurrencyState = new Map();
  if (state !== undefined) for (const [owner, end] of state) if (end > now) live.set(owner, end);
  return live;
}
