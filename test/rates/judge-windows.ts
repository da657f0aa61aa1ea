import type { Call, CheckedRule } from './calls.js';
import { densest } from './densest.js';
import type { Judge } from './judge.js';
import { mostWithin } from './most-within.js';
import { countUnits } from './units.js';

/** Windows may end on a whole millisecond of the server. */
const GRAIN_MS = 2;

/**
 * The fixed window. Each decision tells by its reset when its window ends, so the calls of a window are known, however
 * late their replies came.
 */
export function judgeWindows(rule: CheckedRule, calls: readonly Call[]): Judge {
  const { limit, perMs } = rule;
  const isVague = ({ sent, received, outcome }: Call): boolean =>
    outcome === 'unknown' || received - sent > perMs / 4;
  const windows = windowsOf(
    calls.filter((call) => !isVague(call)),
    perMs,
  );
  const places = new Map(windows.flatMap((window) => window.calls.map((call) => [call, window] as const)));
  const units = new Map(windows.map((window) => [window, countUnits(window.calls.filter(isAdmitted))]));
  const doubtful = calls
    .filter((call) => isVague(call) && call.outcome !== 'refused')
    .reduce((sum, { cost }) => sum + cost, 0);
  return {
    excess: [
      ...densest(calls.filter(isAdmitted), (length) =>
        length < perMs - GRAIN_MS ? mostWithin(rule).most(length) : Infinity,
      ),
      ...windows.flatMap((window, i) => {
        const inIt = units.get(window)!.sentBy(Infinity);
        const at = window.endsBefore - perMs;
        const next = windows[i + 1];
        return [
          ...(inIt > limit ? [{ at, detail: `${inIt} units in one window of ${limit}` }] : []),
          ...(next !== undefined && next.endsBefore - window.endsAfter < perMs - GRAIN_MS
            ? [
                {
                  at,
                  detail: `the next window ends ${(next.endsBefore - window.endsAfter).toFixed(2)} ms later`,
                },
              ]
            : []),
        ];
      }),
    ],
    mayRefuse(call, at) {
      const window = places.get(call);
      if (window === undefined) return true;
      const counted = units.get(window)!.sentBy(call.received) + doubtful;
      return at <= window.endsBefore + GRAIN_MS && counted + call.cost > limit;
    },
    mustRefuse(call, at) {
      const window = places.get(call);
      if (window === undefined) return false;
      const counted = units.get(window)!.receivedBy(call.sent);
      return at < window.endsAfter - GRAIN_MS && counted + call.cost > limit;
    },
  };
}

function isAdmitted({ outcome }: Call): boolean {
  return outcome === 'admitted';
}

interface Window {
  readonly calls: Call[];
  /** The end lies between these two. */
  endsAfter: number;
  endsBefore: number;
}

function windowsOf(calls: readonly Call[], perMs: number): readonly Window[] {
  const ends = calls
    .map((call) => ({ call, low: call.sent + call.resetMs - 1, high: call.received + call.resetMs }))
    .sort((a, b) => a.low + a.high - b.low - b.high);
  const windows: Window[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const { call, low, high } of ends) {
    const middle = (low + high) / 2;
    const window = middle - last > perMs / 2 ? undefined : windows.at(-1);
    last = middle;
    if (window === undefined) {
      windows.push({ calls: [call], endsAfter: low, endsBefore: high });
    } else {
      window.calls.push(call);
      window.endsAfter = Math.max(window.endsAfter, low);
      window.endsBefore = Math.min(window.endsBefore, high);
    }
  }
  return windows;
}
