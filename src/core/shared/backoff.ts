import type { Clock } from '../ports/clock.js';

/** Varies a duration at random by up to 25 % in both directions, so that many waiting calls do not retry at once. */
export function jittered(ms: number, clock: Clock): number {
  return ms * (0.75 + clock.random() / 2);
}

/** Exponential backoff: each pause is twice as long as the previous one, up to a maximum, with jitter. */
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

  /** Starts again with the shortest pause, after a successful attempt. */
  reset(): void {
    this.#pauseMs = this.#initialMs;
  }
}
