import { CLOCK_GRAIN_MS, type Call, type CheckedRule } from './calls.js';
import { densest } from './densest.js';
import type { Judge } from './judge.js';
import { mostWithin } from './most-within.js';
import { countUnits } from './units.js';

/**
 * The sliding counter: what was admitted in the window before counts by the share of it that a window until now would
 * still cover. Where its windows end is told by the resets: what is admitted counts until the end of the next one.
 */
export function judgeCounter(rule: CheckedRule, calls: readonly Call[]): Judge {
  const { limit, perMs } = rule;
  const sure = calls.filter(({ outcome }) => outcome === 'admitted');
  const sureUnits = countUnits(sure);
  const possibleUnits = countUnits(
    calls
      .filter(({ outcome }) => outcome !== 'refused')
      .map((call) => (call.outcome === 'unknown' ? { ...call, received: Infinity } : call)),
  );
  const { low, high } = boundary(sure, perMs);
  const mustRefuse = (call: Call, at: number): boolean => {
    const [first, last] = [low, high].map((edge) => Math.floor((at - edge) / perMs));
    return [first!, last!].every((window) => {
      const [start, startsBy] = [low + window * perMs, high + window * perMs];
      const before = Math.max(
        0,
        sureUnits.receivedBefore(Math.min(start, call.sent)) - sureUnits.sentBefore(startsBy - perMs),
      );
      const current = Math.max(0, sureUnits.receivedBy(call.sent) - sureUnits.sentBefore(startsBy));
      const share = clamp(1 - (at - start) / perMs);
      return before * share + current + call.cost > limit + 1e-6;
    });
  };
  return {
    excess: [
      ...densest(sure, (length) =>
        length + CLOCK_GRAIN_MS < perMs ? mostWithin(rule).most(length) : Infinity,
      ),
      ...sure
        .filter((call) => mustRefuse(call, call.received))
        .map(({ sent, cost }) => ({ at: sent, detail: `${cost} units when the estimate had no room` })),
    ],
    mayRefuse(call, at) {
      const [first, last] = [low, high].map((edge) => Math.floor((at - edge) / perMs));
      return [first!, last!].some((window) => {
        const [start, startsBy] = [low + window * perMs, high + window * perMs];
        const before =
          possibleUnits.sentBy(Math.min(startsBy, call.received)) -
          possibleUnits.receivedBefore(start - perMs);
        const current = Math.max(
          0,
          possibleUnits.sentBy(call.received) - possibleUnits.receivedBefore(start),
        );
        const share = clamp(1 - (at - startsBy) / perMs);
        return before * share + current + call.cost > limit - 1e-6;
      });
    },
    mustRefuse,
  };
}

/** Between which two moments a window ends, of all the windows that follow each other without a gap. */
function boundary(calls: readonly Call[], perMs: number): { readonly low: number; readonly high: number } {
  let [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const [first] = calls;
  if (first === undefined) return { low: 0, high: 0 };
  const about = first.received + first.resetMs;
  for (const { sent, received, resetMs } of calls) {
    const shift = Math.round((received + resetMs - about) / perMs) * perMs;
    low = Math.max(low, sent + resetMs - 1 - shift);
    high = Math.min(high, received + resetMs - shift);
  }
  return { low, high };
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
