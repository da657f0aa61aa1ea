import type { Clock } from '../ports/clock.js';

/** Timers of Node.js run at once if they are to run later than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Loaded at the first call, not at import. Not the global of this name, which fake timers replace. */
let performance: (typeof import('node:perf_hooks'))['performance'] | undefined;

/** The monotonic clock of this process; its timers never keep the process alive. */
export const systemClock: Clock = {
  now: () => (performance ??= process.getBuiltinModule('node:perf_hooks').performance).now(),
  after: (ms, task) => {
    let timer: NodeJS.Timeout;
    const start = (left: number): void => {
      // guard: long-timer-does-not-end-at-once
      timer =
        left > MAX_TIMER_MS
          ? setTimeout(() => start(left - MAX_TIMER_MS), MAX_TIMER_MS)
          : setTimeout(task, left);
      timer.unref();
    };
    start(ms);
    return { cancel: () => clearTimeout(timer) };
  },
  random: () => Math.random(),
};
