import type { Clock } from '../../src/core/ports/clock.js';

export interface PausableClock extends Clock {
  /** As SIGSTOP does: no timer runs, and time goes on. */
  pause(): void;
  /** What came due meanwhile runs now. */
  resume(): void;
}

/** One process' view of a clock that several share. */
export function pausable(clock: Clock): PausableClock {
  let paused = false;
  let late: (() => void)[] = [];
  return {
    now: () => clock.now(),
    random: () => clock.random(),
    after: (ms, task) => {
      let cancelled = false;
      const run = (): void => {
        if (cancelled) return;
        if (paused) late.push(run);
        else task();
      };
      const timer = clock.after(ms, run);
      return {
        cancel: () => {
          cancelled = true;
          timer.cancel();
        },
      };
    },
    pause: () => (paused = true),
    resume: () => {
      paused = false;
      const due = late;
      late = [];
      for (const run of due) run();
    },
  };
}
