import type { Call } from './calls.js';

/** Sums of the units of calls, by the time they were sent or received. */
export interface Units {
  sentBy(time: number): number;
  sentBefore(time: number): number;
  receivedBy(time: number): number;
  receivedBefore(time: number): number;
}

export function countUnits(calls: readonly Call[]): Units {
  const sent = running(calls.map(({ sent, cost }) => ({ time: sent, cost })));
  const received = running(calls.map(({ received, cost }) => ({ time: received, cost })));
  return {
    sentBy: (time) => sent(time, true),
    sentBefore: (time) => sent(time, false),
    receivedBy: (time) => received(time, true),
    receivedBefore: (time) => received(time, false),
  };
}

/** Returns a function that sums all costs up to a time, inclusive or exclusive. */
function running(entries: { readonly time: number; readonly cost: number }[]) {
  entries.sort((a, b) => a.time - b.time);
  const sums = [0];
  for (const { cost } of entries) sums.push(sums.at(-1)! + cost);
  return (until: number, included: boolean): number => {
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { time } = entries[middle]!;
      if (included ? time <= until : time < until) low = middle + 1;
      else high = middle;
    }
    return sums[low]!;
  };
}
