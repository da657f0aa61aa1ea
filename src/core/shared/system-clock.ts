import type { Clock } from '../ports/clock.js';

/** The maximum delay of a Node.js timer. A timer with a longer delay fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Loaded by the first call, which makes the import faster. Not the global object, because fake timers replace it. */
let performance: (typeof import('node:perf_hooks'))['performance'] | undefined;

/** The monotonic clock of this process. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => (performance ??= process.getBuiltinModule('node:perf_hooks').performance).now(),
  after: (ms, task) => {
    let timer: NodeJS.Timeout;
    const start = (remainingMs: number): void => {
      // guard: long-timer-does-not-end-at-once
      timer =
        remainingMs > MAX_TIMER_MS
          ? setTimeout(() => start(remainingMs - MAX_TIMER_MS), MAX_TIMER_MS)
          : setTimeout(task, remainingMs);
      timer.unref();
    };
    start(ms);
    return { cancel: () => clearTimeout(timer) };
  },
  random: () => Math.random(),
};
