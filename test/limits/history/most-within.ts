import type { CheckedRule } from './calls.js';

/** What a rule admits at most in a closed interval of some length. */
export interface Most {
  most(lengthMs: number): number;
  /** Of intervals this long or longer `most` says nothing. */
  readonly horizonMs: number;
}

export function mostWithin({ algorithm, limit, perMs, burst = limit }: CheckedRule): Most {
  switch (algorithm) {
    case 'sliding-window-log':
      return { most: () => limit, horizonMs: perMs };
    case 'gcra':
    case 'token-bucket':
      return { most: (length) => Math.floor(burst + (limit * length) / perMs + 1e-6), horizonMs: Infinity };
    // A window begins with the first unit in it, so that no stretch as long has all of two. The counter must have let go
    // of some of the one before.
    case 'fixed-window':
    case 'sliding-window-counter':
      return { most: () => 2 * limit - 1, horizonMs: perMs };
    case 'concurrency':
      return { most: () => limit, horizonMs: 0 };
  }
}
