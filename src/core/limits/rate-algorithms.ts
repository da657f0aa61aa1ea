import type { Algorithm } from '../ports.js';
import type { RateArithmetic } from './rate-arithmetic.js';
import { concurrency } from './rate-concurrency.js';
import { fixedWindow } from './rate-fixed-window.js';
import { meter } from './rate-meter.js';
import { slidingCounter } from './rate-sliding-counter.js';
import { slidingLog } from './rate-sliding-log.js';

/** How each algorithm counts. A state is given back only to the arithmetic that made it. */
export const rateAlgorithms: { readonly [Name in Algorithm]: RateArithmetic<unknown> } = {
  gcra: meter,
  'token-bucket': meter,
  'sliding-log': slidingLog,
  'sliding-counter': slidingCounter,
  'fixed-window': fixedWindow,
  concurrency,
};
