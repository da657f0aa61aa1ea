import type { Run, Verdict, Violation } from './calls.js';

/**
 * Checks whether a history of runs under a concurrency limit is possible:
 *
 * - over the limit: at no moment do more bodies run than there are slots, by the recorded begin and end of the bodies;
 * - refused with room: all slots may have been held at some moment of each denied call. A run may hold its slot from
 *   when it was sent until it returns; a run with an unknown outcome may hold it forever.
 */
export function checkRuns(runs: readonly Run[], limit: number): Verdict {
  const begin = runs.reduce((least, { sent }) => Math.min(least, sent), Infinity);
  const ran = runs.filter(({ outcome }) => outcome === 'admitted');
  const violations: Violation[] = [];
  let most = 0;
  let atOnce = 0;
  for (const { time, step } of edges(ran.map(({ begun, ended }) => ({ from: begun, until: ended })))) {
    atOnce += step;
    most = Math.max(most, atOnce);
    if (step > 0 && atOnce > limit) {
      violations.push({ rule: 'over the limit', at: time - begin, detail: `${atOnce} bodies at once` });
    }
  }
  const held = runs
    .filter(({ outcome }) => outcome !== 'refused')
    .map(({ sent, received, outcome }) => ({
      from: sent,
      until: outcome === 'unknown' ? Infinity : received,
    }));
  const isFull = fullTimes(edges(held), limit);
  for (const { outcome, sent, received } of runs) {
    if (outcome === 'refused' && !isFull(sent, received)) {
      violations.push({
        rule: 'refused with room',
        at: sent - begin,
        detail: 'a slot was free all the time',
      });
    }
  }
  return {
    calls: runs.length,
    admitted: ran.length,
    unknown: runs.filter(({ outcome }) => outcome === 'unknown').length,
    most,
    allowed: limit,
    expected: { least: limit, most: Infinity },
    violations,
  };
}

interface Edge {
  readonly time: number;
  readonly step: 1 | -1;
}

/** The begin and end of each span in order of time. At equal times, an end precedes a begin. */
function edges(spans: readonly { readonly from: number; readonly until: number }[]): readonly Edge[] {
  return spans
    .flatMap(({ from, until }): Edge[] => [
      { time: from, step: 1 },
      { time: until, step: -1 },
    ])
    .sort((a, b) => a.time - b.time || a.step - b.step);
}

/** Returns whether `limit` slots may have been held at some moment of a span. */
function fullTimes(steps: readonly Edge[], limit: number): (from: number, until: number) => boolean {
  const full: { readonly from: number; until: number }[] = [];
  let atOnce = 0;
  for (const { time, step } of steps) {
    atOnce += step;
    if (step > 0 && atOnce === limit) full.push({ from: time, until: Infinity });
    if (step < 0 && atOnce === limit - 1) full.at(-1)!.until = time;
  }
  return (from, until) => {
    // Finds the first span that ends at `from` or later.
    let low = 0;
    let high = full.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (full[middle]!.until < from) low = middle + 1;
      else high = middle;
    }
    const span = full[low];
    return span !== undefined && span.from <= until;
  };
}
