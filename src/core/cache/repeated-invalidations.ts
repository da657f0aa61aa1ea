import type { Clock, Timer } from '../ports/clock.js';
import type { InvalidationTarget } from './pending-invalidations.js';

/** Sends invalidations a second time after a delay, for loads that read a lagging replica of the database. */
export class RepeatedInvalidations {
  readonly #send: (target: InvalidationTarget) => Promise<unknown>;
  readonly #clock: Clock;
  readonly #waiting = new Map<InvalidationTarget, Timer>();

  /** @param send sends an invalidation, and reports its own failures */
  constructor(send: (target: InvalidationTarget) => Promise<unknown>, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** @param afterMs from now */
  add(target: InvalidationTarget, afterMs: number): void {
    const timer = this.#clock.after(afterMs, () => {
      this.#waiting.delete(target);
      this.#send(target).catch(() => {});
    });
    this.#waiting.set(target, timer);
  }

  /** Sends those that still wait now. */
  async flush(): Promise<void> {
    const targets = [...this.#waiting.keys()];
    for (const timer of this.#waiting.values()) timer.cancel();
    this.#waiting.clear();
    await Promise.allSettled(targets.map((target) => this.#send(target)));
  }
}
