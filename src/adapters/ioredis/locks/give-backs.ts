import type { Clock, Timer } from '../../../core/ports.js';

interface GiveBack {
  readonly attempt: () => Promise<unknown>;
  /** In ms of the clock. */
  readonly until: number;
}

const FIRST_PAUSE = 50;
const LAST_PAUSE = 500;

/**
 * What one server could not be told yet: that a lock is given back. It is told again until it has heard, at latest
 * until the lease has ended by itself.
 */
export class GiveBacks {
  readonly #clock: Clock;
  readonly #waiting = new Set<GiveBack>();
  #timer: Timer | undefined;
  #pause = FIRST_PAUSE;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(attempt: () => Promise<unknown>, until: number): void {
    if (this.#closed) return;
    this.#waiting.add({ attempt, until });
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#clock.after(this.#pause * (0.5 + this.#clock.random() / 2), () => {
      void this.#again();
    });
    this.#pause = Math.min(this.#pause * 2, LAST_PAUSE);
  }

  async #again(): Promise<void> {
    const now = this.#clock.now();
    const due = [...this.#waiting];
    await Promise.all(
      due.map(async (one) => {
        if (one.until > now) {
          try {
            await one.attempt();
          } catch {
            return;
          }
        }
        this.#waiting.delete(one);
      }),
    );
    this.#timer = undefined;
    if (this.#waiting.size === 0) this.#pause = FIRST_PAUSE;
    else this.#schedule();
  }
}
