import { CLOCK_GRAIN_MS, type Call, type CheckedRule } from './calls.js';
import { densest } from './densest.js';
import type { Judge } from './judge.js';
import { mostWithin } from './most-within.js';
import { countUnits } from './units.js';

/**
 * Judges sliding-window-log, gcra and token-bucket. Each admits at most a known number of units in an interval of a
 * given length, and denies a call exactly if some interval that ends with the call would contain more.
 */
export function judgeIntervals(rule: CheckedRule, calls: readonly Call[]): Judge {
  const { most, horizonMs } = mostWithin(rule);
  const sure = calls.filter(({ outcome }) => outcome === 'admitted');
  const possible = calls
    .filter(({ outcome }) => outcome !== 'refused')
    .map((call) => (call.outcome === 'unknown' ? { ...call, received: Number.POSITIVE_INFINITY } : call));
  const sureUnits = countUnits(sure);
  const possibleUnits = countUnits(possible);
  // The latest first: the units that justify a denial are usually recent.
  const starts = possible
    .toSorted((a, b) => b.sent - a.sent)
    .map(({ sent, received }) => ({ sent, received, before: possibleUnits.receivedBefore(sent) }));
  const sureStarts = sure
    .toSorted((a, b) => b.sent - a.sent)
    .map(({ sent }) => ({ sent, before: sureUnits.sentBefore(sent) }));
  return {
    excess: densest(sure, (length) =>
      length + CLOCK_GRAIN_MS < horizonMs ? most(length + CLOCK_GRAIN_MS) : Infinity,
    ),
    wrongWindows: [],
    mayRefuse(call, at) {
      const taken = possibleUnits.sentBy(call.received);
      for (const start of starts) {
        const length = Math.max(0, at - start.received);
        if (length >= horizonMs || start.sent > call.received) continue;
        if (taken - start.before + call.cost > most(length)) return true;
      }
      return false;
    },
    mustRefuse(call, at) {
      const taken = sureUnits.receivedBy(call.sent);
      for (const start of sureStarts) {
        if (start.sent > call.sent) continue;
        const length = at - start.sent + CLOCK_GRAIN_MS;
        if (length >= horizonMs) break;
        if (taken - start.before + call.cost > most(length)) return true;
      }
      return false;
    },
  };
}
