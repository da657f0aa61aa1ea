import type { Clock, Timer } from '../core/ports/clock.js';

export interface FakeClock extends Clock {
  /**
   * Moves time on by `ms`, running the timers that come due in their order. Between them, and at the end, it
   * lets promises settle.
   */
  advance(ms: number): Promise<void>;
  /** Timers that have not run. */
  readonly timers: number;
}

interface Due {
  readonly at: number;
  readonly order: number;
  readonly task: () => void;
}

/**
 * Time that stands still until the test moves it, and chance that is always the same.
 *
 * @param random what `random()` returns @default 0.5
 * @example
 * const clock = fakeClock();
 * const caching = new Caching({ adapter: memory(), clock, defaults: { ttl: '1m' } });
 * await clock.advance(60_000);
 */
export function fakeClock(random = 0.5): FakeClock {
  let now = 1_000;
  let order = 0;
  const due = new Set<Due>();
  const earliest = (limit: number): Due | undefined => {
    let first: Due | undefined;
    for (const one of due) {
      if (one.at > limit) continue;
      if (first === undefined || one.at < first.at || (one.at === first.at && one.order < first.order))
        first = one;
    }
    return first;
  };
  return {
    now: () => now,
    random: () => random,
    after(ms, task): Timer {
      const timer: Due = { at: now + Math.max(0, ms), order: order++, task };
      due.add(timer);
      return { cancel: () => void due.delete(timer) };
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (let next = earliest(end); next !== undefined; next = earliest(end)) {
        due.delete(next);
        now = Math.max(now, next.at);
        next.task();
        await settle();
      }
      now = end;
      await settle();
    },
    get timers() {
      return due.size;
    },
  };
}

/** A turn of the event loop: every promise chain that needs no timer and no input runs to its end. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
