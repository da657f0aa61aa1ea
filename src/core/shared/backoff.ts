import type { Clock } from '../ports/clock.js';

/** Give or take a quarter, so that many that wait as long as each other do not all come back at once. */
export function jittered(ms: number, clock: Clock): number {
  return ms * (0.75 + clock.random() / 2);
}

/** Pauses between attempts: jittered, each twice as long as the one before, up to a maximum. */
export class Backoff {
  readonly #clock: Clock;
  readonly #initialMs: number;
  readonly #maxMs: number;
  #pauseMs: number;

  constructor(clock: Clock, initialMs: number, maxMs: number) {
    this.#clock = clock;
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
    this.#pauseMs = initialMs;
  }

  /** The pause before the next attempt, in ms. */
  next(): number {
    const pause = this.#pauseMs;
    this.#pauseMs = Math.min(pause * 2, this.#maxMs);
    return jittered(pause, this.#clock);
  }

  /** An attempt has succeeded: the next pause is the shortest again. */
  reset(): void {
    this.#pauseMs = this.#initialMs;
  }
}
