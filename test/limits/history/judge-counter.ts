import { CLOCK_GRAIN_MS, type Call, type CheckedRule } from './calls.js';
import { counterWindows } from './counter-windows.js';
import { densest } from './densest.js';
import type { Finding, Judge } from './judge.js';
import { mostWithin } from './most-within.js';
import { windowsOfCalls } from './windows-of-calls.js';

/**
 * The sliding counter: what was admitted in the window before counts by the share of it that a window until now would
 * still cover. The resets say where its windows end, because units count until the end of the window after theirs.
 */
export function judgeCounter(rule: CheckedRule, calls: readonly Call[]): Judge {
  const { limit, perMs } = rule;
  const found = windowsOfCalls(calls, perMs, ({ outcome, resetMs }) =>
    // With no units in the present window, those of the window before count until the end of the present one.
    outcome === 'admitted' || resetMs > perMs ? resetMs - perMs : resetMs,
  );
  const { windows, windowOf, contradictions } = counterWindows(found, perMs);
  /** What units count for at some time: those of a window that ends at `end`, and those of the window before. */
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
        // All that were received by some time were admitted by then, in this window: the last of them had room.
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
