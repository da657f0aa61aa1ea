import { CLOCK_GRAIN_MS, type Call, type CheckedRule } from './calls.js';
import { counterWindows } from './counter-windows.js';
import { densest } from './densest.js';
import type { Finding, Judge } from './judge.js';
import { mostWithin } from './most-within.js';
import { windowsOfCalls } from './windows-of-calls.js';

/**
 * Judges a sliding-window-counter: the units of the previous window count by the share of it that the sliding window
 * still covers. Units count until the end of the window after theirs, so `resetMs` determines the ends of the windows.
 */
export function judgeCounter(rule: CheckedRule, calls: readonly Call[]): Judge {
  const { limit, perMs } = rule;
  const found = windowsOfCalls(calls, perMs, ({ outcome, resetMs }) =>
    // If the current window has no units, those of the previous window count until its end.
    outcome === 'admitted' || resetMs > perMs ? resetMs - perMs : resetMs,
  );
  const { windows, windowOf, contradictions } = counterWindows(found, perMs);
  /** The weighted units at a time: `current` in the window that ends at `end`, `before` in the previous one. */
  const weight = (before: number, current: number, end: number, at: number): number =>
    before * clamp((end - at) / perMs) + current * clamp((end + perMs - at) / perMs);
  return {
    excess: [
      ...densest(
        calls.filter(({ outcome }) => outcome === 'admitted'),
        (length) => (length + CLOCK_GRAIN_MS < perMs ? mostWithin(rule).most(length) : Infinity),
      ),
      ...windows.flatMap(({ admitted, endsAfter, surelyBefore }) => {
        let current = 0;
        // All calls with a reply by some time were admitted in this window by then, and the last of them had capacity.
        return admitted
          .toSorted((a, b) => a.received - b.received)
          .flatMap(({ sent, received, cost }): Finding[] => {
            current += cost;
            const least = weight(surelyBefore, current, endsAfter, Math.min(received, endsAfter));
            const detail = `${cost} units when the estimate had no room`;
            return least > limit + 1e-6 ? [{ at: sent, detail }] : [];
          });
      }),
      ...found.tooSoon,
    ],
    wrongWindows: [...found.impossible, ...contradictions],
    mayRefuse(call, at) {
      const window = windowOf(call);
      if (window === undefined) return true;
      const before = window.mostBefore(call.received);
      const current = window.sure.sentBy(call.received) + window.doubtful.sentBy(call.received);
      return weight(before, current, window.endsBefore, at) + call.cost > limit - 1e-6;
    },
    mustRefuse(call, at) {
      const window = windowOf(call);
      if (window === undefined) return false;
      const current = window.sure.receivedBy(call.sent);
      return weight(window.surelyBefore, current, window.endsAfter, at) + call.cost > limit + 1e-6;
    },
  };
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
