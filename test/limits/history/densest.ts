import type { Call } from './calls.js';

/**
 * Finds the intervals that contain more units than `most` allows. An interval lasts from the sending of one call to the
 * reply of another; the calls that lie in it as a whole were certainly admitted within it. Returns at most one finding
 * for each start of an interval.
 */
export function densest(
  admitted: readonly Call[],
  most: (lengthMs: number) => number,
): { readonly at: number; readonly detail: string }[] {
  const found: { readonly at: number; readonly detail: string }[] = [];
  eachInterval(admitted, (from, units, length) => {
    if (units <= most(length)) return false;
    found.push({
      at: from,
      detail: `${units} units in ${length.toFixed(2)} ms, where ${most(length)} may be`,
    });
    return true;
  });
  return found;
}

/** The most units that were certainly admitted in an interval shorter than `perMs`. */
export function mostUnits(admitted: readonly Call[], perMs: number): number {
  let most = 0;
  eachInterval(admitted, (_from, units, length) => {
    if (length >= perMs) return true;
    most = Math.max(most, units);
    return false;
  });
  return most;
}

/** Visits the intervals of each start, the shortest first, until `visit` returns true. */
function eachInterval(
  admitted: readonly Call[],
  visit: (from: number, units: number, length: number) => boolean,
): void {
  /** The calls sent at `from` or later, in order of their replies. */
  const ends: { readonly received: number; readonly cost: number }[] = [];
  for (const { sent: from, received, cost } of admitted.toSorted((a, b) => b.sent - a.sent)) {
    let place = 0;
    while (place < ends.length && ends[place]!.received < received) place++;
    ends.splice(place, 0, { received, cost });
    let units = 0;
    for (const end of ends) {
      units += end.cost;
      if (visit(from, units, end.received - from)) break;
    }
  }
}
