import type { Call, CheckedRule } from './calls.js';
import { densest } from './densest.js';
import type { Finding, Judge } from './judge.js';
import { mostWithin } from './most-within.js';
import { GRAIN_MS, windowsOfCalls } from './windows-of-calls.js';

/** Judges a fixed-window. `resetMs` determines the end of the window of each call. */
export function judgeWindows(rule: CheckedRule, calls: readonly Call[]): Judge {
  const { limit, perMs } = rule;
  const { windows, windowOf, impossible, tooSoon } = windowsOfCalls(calls, perMs, ({ resetMs }) => resetMs);
  return {
    excess: [
      ...densest(
        calls.filter(({ outcome }) => outcome === 'admitted'),
        (length) => (length < perMs - GRAIN_MS ? mostWithin(rule).most(length) : Infinity),
      ),
      ...windows.flatMap(({ sure, endsBefore }): Finding[] => {
        const inIt = sure.sentBy(Infinity);
        const detail = `${inIt} units in one window of ${limit}`;
        return inIt > limit ? [{ at: endsBefore - perMs, detail }] : [];
      }),
      ...tooSoon,
    ],
    wrongWindows: impossible,
    mayRefuse(call, at) {
      const window = windowOf(call);
      if (window === undefined) return true;
      const counted = window.sure.sentBy(call.received) + window.doubtful.sentBy(call.received);
      return at <= window.endsBefore && counted + call.cost > limit;
    },
    mustRefuse(call, at) {
      const window = windowOf(call);
      if (window === undefined) return false;
      const counted = window.sure.receivedBy(call.sent);
      return at < window.endsAfter - GRAIN_MS && counted + call.cost > limit;
    },
  };
}
