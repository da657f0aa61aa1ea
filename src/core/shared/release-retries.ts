import { Backoff } from './backoff.js';
import type { Clock, Timer } from '../ports/clock.js';

interface Pending {
  readonly attempt: () => Promise<unknown>;
  /** By the clock, in ms. */
  readonly until: number;
}

const INITIAL_PAUSE_MS = 50;
const MAX_PAUSE_MS = 500;

/**
 * Releases that a store could not be asked for, or whose reply was lost: a load lease, a lock, a slot of a concurrency
 * limit. Each is tried again until the store has taken it, at latest until what it releases has ended by itself. So a
 * request that the store executes long after its caller gave up costs others no more than a moment.
 */
export class ReleaseRetries {
  readonly #clock: Clock;
  readonly #pending = new Set<Pending>();
  #timer: Timer | undefined;
  readonly #pauses: Backoff;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#pauses = new Backoff(clock, INITIAL_PAUSE_MS, MAX_PAUSE_MS);
  }

  /** Tries at once, and again later if that fails. Never rejects. */
  async release(attempt: () => Promise<unknown>, until: number): Promise<void> {
    try {
      await attempt();
    } catch {
      // guard: lost-release-is-retried
      this.add(attempt, until);
    }
  }

  /** Tries later: the first attempt has failed. */
  add(attempt: () => Promise<unknown>, until: number): void {
    if (this.#closed) return;
    this.#pending.add({ attempt, until });
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#pending.clear();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#clock.after(this.#pauses.next(), () => void this.#retry());
  }

  async #retry(): Promise<void> {
    const now = this.#clock.now();
    await Promise.all(
      [...this.#pending].map(async (one) => {
        // guard: retries-end-with-the-lease
        if (one.until > now) {
          try {
            await one.attempt();
          } catch {
            return;
          }
        }
        this.#pending.delete(one);
      }),
    );
    this.#timer = undefined;
    if (this.#pending.size === 0) this.#pauses.reset();
    else this.#schedule();
  }
}
