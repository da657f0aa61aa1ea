import type { Clock } from './ports.js';

/** Loaded with the first look, not at import. It is not the global of this name, which fake timers replace. */
let performance: (typeof import('node:perf_hooks'))['performance'] | undefined;

/** The process' own monotonic clock; its timers never keep the process alive. */
export const systemClock: Clock = {
  now: () => (performance ??= process.getBuiltinModule('node:perf_hooks').performance).now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  random: () => Math.random(),
};
