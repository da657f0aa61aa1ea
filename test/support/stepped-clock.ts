import type { Clock, Timer } from '../../src/core/ports/clock.js';

export interface SteppedClock extends Clock {
  /** Moves time on by `ms` at once: what is due runs, in its order, before anything that it sets off. */
  step(ms: number): void;
  /** Timers that have not run. */
  readonly timers: number;
}

interface Due {
  readonly at: number;
  readonly task: () => void;
}

/**
 * Like `fakeClock`, for schedules that decide themselves when promises settle: it never lets one settle, and each
 * look at it is a little later than the one before, as no two moments of a real clock are one.
 */
export function steppedClock(): SteppedClock {
  let now = 1_000;
  const due = new Set<Due>();
  return {
    now: () => (now += 0.001),
    random: () => 0.5,
    after(ms, task): Timer {
      const timer: Due = { at: now + Math.max(0, ms), task };
      due.add(timer);
      return { cancel: () => void due.delete(timer) };
    },
    step(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = [...due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        due.delete(next);
        now = Math.max(now, next.at);
        next.task();
      }
      now = Math.max(now, end);
    },
    get timers() {
      return due.size;
    },
  };
}
