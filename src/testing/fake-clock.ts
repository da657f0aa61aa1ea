import type { Clock, Timer } from '../core/ports/clock.js';

export interface FakeClock extends Clock {
  /**
   * Advances the time by `ms`, and runs the timers that are due, in order. Before, between and after them pending
   * promises are settled.
   */
  advance(ms: number): Promise<void>;
  /** The number of pending timers. */
  readonly timers: number;
  /** The time at which the next timer is due, in ms of `now()`; undefined if there is none. */
  readonly nextTimer: number | undefined;
}

interface PendingTimer {
  readonly dueAt: number;
  /** Timers that are due at the same time run in the order in which they were set. */
  readonly order: number;
  readonly task: () => void;
}

/**
 * Creates a clock for tests, for the option `clock` of `new Caching`. Its time changes only by `advance`; it starts at
 * 1000 ms.
 *
 * @param random the constant that `random()` returns, from 0 to 1, without 1. By default 0.5
 * @example
 * const clock = fakeClock();
 * const caching = new Caching({ adapter: memory(), clock, defaults: { ttl: '1m' } });
 * await clock.advance(60_000);
 */
export function fakeClock(random = 0.5): FakeClock {
  let now = 1_000;
  let order = 0;
  const pending = new Set<PendingTimer>();
  const earliest = (limit: number): PendingTimer | undefined => {
    let first: PendingTimer | undefined;
    for (const timer of pending) {
      if (timer.dueAt > limit) continue;
      const isEarlier =
        first === undefined ||
        timer.dueAt < first.dueAt ||
        (timer.dueAt === first.dueAt && timer.order < first.order);
      if (isEarlier) first = timer;
    }
    return first;
  };
  return {
    now: () => now,
    random: () => random,
    after(ms, task): Timer {
      const timer: PendingTimer = { dueAt: now + Math.max(0, ms), order: order++, task };
      pending.add(timer);
      return { cancel: () => void pending.delete(timer) };
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (let next = earliest(end); next !== undefined; next = earliest(end)) {
        pending.delete(next);
        now = Math.max(now, next.dueAt);
        next.task();
        await settle();
      }
      now = end;
      await settle();
    },
    get timers() {
      return pending.size;
    },
    get nextTimer() {
      return earliest(Infinity)?.dueAt;
    },
  };
}

/**
 * Waits for one turn of the event loop: all promise chains that need neither a timer nor I/O have run to their end
 * then.
 */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
