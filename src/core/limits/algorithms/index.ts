import type { Algorithm } from '../../ports/rate-store.js';
import type { RateAlgorithm } from './algorithm.js';
import { concurrency } from './concurrency.js';
import { fixedWindow } from './fixed-window.js';
import { gcra } from './gcra.js';
import { slidingWindowCounter } from './sliding-window-counter.js';
import { slidingWindowLog } from './sliding-window-log.js';

/** The implementation of each algorithm. A state is only passed to the implementation that created it. */
export const rateAlgorithms: { readonly [Name in Algorithm]: RateAlgorithm<unknown> } = {
  gcra: gcra,
  'token-bucket': gcra,
  'sliding-window-log': slidingWindowLog,
  'sliding-window-counter': slidingWindowCounter,
  'fixed-window': fixedWindow,
  concurrency,
};
