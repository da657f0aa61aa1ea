import type { Clock, Timer } from '../../../src/core/ports/clock.js';

interface Due {
  readonly at: number;
  readonly order: number;
  readonly owner: string;
  readonly task: () => void;
}

/** A clock whose time is moved by the search. Between two steps it stands still. */
export class ModelClock {
  #now = 1_000;
  #order = 0;
  readonly #due = new Set<Due>();

  now(): number {
    return this.#now;
  }

  /** The clock as one process sees it. */
  of(owner: string): Clock {
    return {
      now: () => this.#now,
      random: () => 0.5,
      after: (ms, task): Timer => {
        const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, owner, task };
        this.#due.add(timer);
        return { cancel: () => void this.#due.delete(timer) };
      },
    };
  }

  get timers(): number {
    return this.#due.size;
  }

  /** No timer of the process runs any more. */
  stop(owner: string): void {
    for (const timer of this.#due) if (timer.owner === owner) this.#due.delete(timer);
  }

  tick(): void {
    this.#now += 0.001;
  }

  /** When the next timer is due; undefined: there is none. */
  get next(): number | undefined {
    return this.#due.size === 0 ? undefined : Math.min(...[...this.#due].map(({ at }) => at));
  }

  /** Moves time on, and runs what is due, in its order. */
  async moveTo(end: number, settle: () => Promise<void>): Promise<void> {
    for (;;) {
      const [next] = [...this.#due]
        .filter(({ at }) => at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order);
      if (next === undefined) break;
      this.#due.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.task();
      await settle();
    }
    this.#now = Math.max(this.#now, end);
  }
}
