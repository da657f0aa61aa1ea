import type { Call, CheckedRule } from './calls.js';
import type { Judge } from './judge.js';
import { judgeCounter } from './judge-counter.js';
import { judgeIntervals } from './judge-intervals.js';
import { judgeWindows } from './judge-windows.js';

/** @param calls the calls that the store decided, and the calls with an unknown outcome */
export function judgeOf(rule: CheckedRule, calls: readonly Call[]): Judge {
  switch (rule.algorithm) {
    case 'sliding-window-log':
    case 'gcra':
    case 'token-bucket':
      return judgeIntervals(rule, calls);
    case 'fixed-window':
      return judgeWindows(rule, calls);
    case 'sliding-window-counter':
      return judgeCounter(rule, calls);
    case 'concurrency':
      throw new Error('Slots are judged by the bodies that ran: check-runs.ts.');
  }
}
