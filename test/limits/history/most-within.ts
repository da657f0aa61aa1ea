import type { CheckedRule } from './calls.js';

/** The most units that a rule admits in a closed interval. */
export interface Most {
  most(lengthMs: number): number;
  /** `most` is valid for intervals shorter than this. */
  readonly horizonMs: number;
}

export function mostWithin({ algorithm, limit, perMs, burst = limit }: CheckedRule): Most {
  switch (algorithm) {
    case 'sliding-window-log':
      return { most: () => limit, horizonMs: perMs };
    case 'gcra':
    case 'token-bucket':
      return { most: (length) => Math.floor(burst + (limit * length) / perMs + 1e-6), horizonMs: Infinity };
    // A window starts with its first unit, so an interval of that length does not contain all units of two windows. In
    // the counter, some of the units of the previous window no longer count by then.
    case 'fixed-window':
    case 'sliding-window-counter':
      return { most: () => 2 * limit - 1, horizonMs: perMs };
    case 'concurrency':
      return { most: () => limit, horizonMs: 0 };
  }
}
