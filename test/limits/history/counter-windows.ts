import type { Call } from './calls.js';
import type { Finding } from './judge.js';
import { GRAIN_MS, type CallWindow, type CallWindows } from './windows-of-calls.js';

/** One window of a sliding-window-counter, with the units of the previous window that count in it. */
export interface CounterWindow extends CallWindow {
  /** The units that certainly count. */
  readonly surelyBefore: number;
  /** The most units that may count, of the calls sent by `sentBy`. */
  mostBefore(sentBy: number): number;
}

/**
 * A window starts at the end of the previous one if units were admitted in the previous one and the next call arrives
 * within `perMs` of its end. Otherwise no earlier units count, and the next call starts a window at its own time.
 */
export function counterWindows(found: CallWindows, perMs: number) {
  const { windows } = found;
  const links = windows.map((window, i) => linkOf(window, windows[i - 1], perMs));
  const ends = sharedEnds(
    windows,
    links.map(({ surely }) => surely > 0),
    perMs,
  );
  const known = new Map(
    windows.map((window, i): [CallWindow, CounterWindow] => {
      const { surely, perhaps } = links[i]!;
      const { low, high } = ends[i]!;
      const [endsAfter, endsBefore] = [Math.min(low, high), Math.max(low, high)];
      const doubtful = found.doubtfulBeside(window, endsAfter - perMs, endsBefore - perMs);
      const mostBefore = (sentBy: number): number => surely + perhaps + doubtful.sentBy(sentBy);
      return [window, { ...window, endsAfter, endsBefore, surelyBefore: surely, mostBefore }];
    }),
  );
  return {
    windows: [...known.values()],
    windowOf(call: Call): CounterWindow | undefined {
      const window = found.windowOf(call);
      return window && known.get(window);
    },
    /** Windows whose ends contradict the ends of adjacent windows. */
    contradictions: ends.flatMap(({ low, high }): Finding[] => {
      const detail = `its end is ${(low - high).toFixed(2)} ms from where the windows beside it put it`;
      return low - high > GRAIN_MS ? [{ at: high - perMs, detail }] : [];
    }),
  };
}

/** The units of the previous window that count in a window. */
function linkOf(window: CallWindow, previous: CallWindow | undefined, perMs: number) {
  const units = previous?.sure.sentBy(Infinity) ?? 0;
  if (previous === undefined || units === 0) return { surely: 0, perhaps: 0 };
  if (window.endsBefore - previous.endsAfter < 2 * perMs - GRAIN_MS) return { surely: units, perhaps: 0 };
  const mayFollow = window.endsAfter - previous.endsBefore <= perMs + GRAIN_MS;
  return { surely: 0, perhaps: mayFollow ? units : 0 };
}

/** Narrows the end of each window: it is exactly `perMs` after the end of the window that it follows. */
function sharedEnds(windows: readonly CallWindow[], follows: readonly boolean[], perMs: number) {
  const ends = windows.map(({ endsAfter, endsBefore }) => ({ low: endsAfter, high: endsBefore }));
  const share = (from: number, to: number): void => {
    const shift = (to - from) * perMs;
    ends[to]!.low = Math.max(ends[to]!.low, ends[from]!.low + shift);
    ends[to]!.high = Math.min(ends[to]!.high, ends[from]!.high + shift);
  };
  for (let i = 1; i < ends.length; i++) if (follows[i]!) share(i - 1, i);
  for (let i = ends.length - 1; i > 0; i--) if (follows[i]!) share(i, i - 1);
  return ends;
}
