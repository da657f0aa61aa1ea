import { CLOCK_GRAIN_MS, type Call } from './calls.js';
import type { Finding } from './judge.js';
import { countUnits, type Units } from './units.js';

/** A window may end on a whole millisecond of the server, and the clocks of the server and its callers may differ. */
export const GRAIN_MS = 2;

/** One window of a limiter. */
export interface CallWindow {
  /** The window ends between `endsAfter` and `endsBefore`. */
  readonly endsAfter: number;
  readonly endsBefore: number;
  /** The calls that were certainly admitted in it. */
  readonly admitted: readonly Call[];
  /** The units of `admitted`. */
  readonly sure: Units;
  /** Units that may also have been admitted in it: those of slow calls and of calls with an unknown outcome. */
  readonly doubtful: Units;
}

export interface CallWindows {
  /** In order of time. */
  readonly windows: readonly CallWindow[];
  /** Returns the window in which a call was certainly decided. */
  windowOf(call: Call): CallWindow | undefined;
  /** Units that may have been admitted in a window that ends between two times, but not in `window`. */
  doubtfulBeside(window: CallWindow, endsAfter: number, endsBefore: number): Units;
  /** Replies with an end that is impossible for a window of this length. */
  readonly impossible: readonly Finding[];
  /** Windows that end too soon after the previous one. */
  readonly tooSoon: readonly Finding[];
}

/** The window of a call ends between `low` and `high`. */
interface Placed {
  readonly call: Call;
  readonly low: number;
  readonly high: number;
}

interface Building {
  endsAfter: number;
  endsBefore: number;
  readonly calls: Call[];
}

/**
 * Finds the windows of a history by the end of the window in each reply. So the window of a call is known even if its
 * reply is late, and a window may start at any time.
 *
 * The only assumption is that the ends of two windows are at least `perMs` apart. The fastest calls are placed first,
 * because they give the most exact ends. A call whose end fits no known window adds one. A call whose end is certainly
 * less than `perMs` from the end of a window belongs to that window. Any other call is doubtful.
 *
 * @param leftOf the time from the decision on a call to the end of its window, in ms, rounded up
 */
export function windowsOfCalls(
  calls: readonly Call[],
  perMs: number,
  leftOf: (call: Call) => number,
): CallWindows {
  const known = calls.filter(({ outcome }) => outcome !== 'unknown');
  const doubts = calls
    .filter(({ outcome }) => outcome === 'unknown')
    .map((call): Placed => ({ call, low: call.sent, high: Infinity }));
  const building: Building[] = [];
  const places = new Map<Call, Building>();
  for (const call of known.toSorted((a, b) => a.received - a.sent - (b.received - b.sent))) {
    const left = leftOf(call);
    const [low, high] = [call.sent + left - 1 - CLOCK_GRAIN_MS, call.received + left];
    let place = building.find((window) => mayEnd(window, low, high));
    if (place === undefined) {
      place = { endsAfter: low, endsBefore: high, calls: [] };
      building.push(place);
    } else if (place.endsBefore - low >= perMs || high - place.endsAfter >= perMs) {
      if (call.outcome === 'admitted') doubts.push({ call, low, high });
      continue;
    }
    place.endsAfter = Math.max(place.endsAfter, low);
    place.endsBefore = Math.min(place.endsBefore, high);
    place.calls.push(call);
    places.set(call, place);
  }
  building.sort((a, b) => a.endsAfter - b.endsAfter);
  const windows = new Map(building.map((window) => [window, finish(window, doubts)]));
  return {
    windows: [...windows.values()],
    windowOf(call) {
      const place = places.get(call);
      return place && windows.get(place);
    },
    doubtfulBeside: (window, endsAfter, endsBefore) =>
      unitsOf(doubts, (low, high) => {
        return mayEnd({ endsAfter, endsBefore }, low, high) && !mayEnd(window, low, high);
      }),
    impossible: known
      .filter((call) => leftOf(call) <= 0 || leftOf(call) > perMs)
      .map((call) => ({ at: call.sent, detail: `a window of ${perMs} ms ends ${leftOf(call)} ms later` })),
    tooSoon: building.slice(1).flatMap((window, i): Finding[] => {
      const apart = window.endsBefore - building[i]!.endsAfter;
      const detail = `the next window ends ${apart.toFixed(2)} ms later`;
      return apart < perMs - GRAIN_MS ? [{ at: building[i]!.endsBefore - perMs, detail }] : [];
    }),
  };
}

function finish({ calls, endsAfter, endsBefore }: Building, doubts: readonly Placed[]): CallWindow {
  const admitted = calls.filter(({ outcome }) => outcome === 'admitted');
  return {
    // The bounds may be swapped, by less than the tolerance, if clocks differ.
    endsAfter: Math.min(endsAfter, endsBefore),
    endsBefore: Math.max(endsAfter, endsBefore),
    admitted,
    sure: countUnits(admitted),
    doubtful: unitsOf(doubts, (low, high) => mayEnd({ endsAfter, endsBefore }, low, high)),
  };
}

function unitsOf(doubts: readonly Placed[], isMeant: (low: number, high: number) => boolean): Units {
  return countUnits(doubts.filter(({ low, high }) => isMeant(low, high)).map(({ call }) => call));
}

/** Whether a window may end between `low` and `high`. */
function mayEnd(
  { endsAfter, endsBefore }: Pick<CallWindow, 'endsAfter' | 'endsBefore'>,
  low: number,
  high: number,
): boolean {
  return low <= endsBefore + GRAIN_MS && high >= endsAfter - GRAIN_MS;
}
