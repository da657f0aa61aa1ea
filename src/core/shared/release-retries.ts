import { Backoff } from './backoff.js';
import type { Clock, Timer } from '../ports/clock.js';

interface Pending {
  readonly attempt: () => Promise<unknown>;
  /** When retrying becomes pointless, by the local clock in ms. */
  readonly endsAt: number;
}

const INITIAL_PAUSE_MS = 50;
const MAX_PAUSE_MS = 500;

/**
 * Retries releases of load leases, locks and slots that failed or whose reply was lost: until the store confirms them or
 * what they release has expired. Without this, a request that the store executes after its caller has given up would block
 * others until it expires.
 */
export class ReleaseRetries {
  readonly #clock: Clock;
  readonly #pending = new Set<Pending>();
  #timer: Timer | undefined;
  readonly #pauses: Backoff;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#pauses = new Backoff(clock, INITIAL_PAUSE_MS, MAX_PAUSE_MS);
  }

  /** Tries a release now, and again later if it fails. Never rejects. */
  async release(attempt: () => Promise<unknown>, endsAt: number): Promise<void> {
    try {
      await attempt();
    } catch {
      // guard: lost-release-is-retried
      this.add(attempt, endsAt);
    }
  }

  /** Adds a release whose first attempt has failed. */
  add(attempt: () => Promise<unknown>, endsAt: number): void {
    if (this.#isClosed) return;
    this.#pending.add({ attempt, endsAt });
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#pending.clear();
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = this.#clock.after(this.#pauses.next(), () => void this.#retry());
  }

  async #retry(): Promise<void> {
    const now = this.#clock.now();
    await Promise.all(
      [...this.#pending].map(async (one) => {
        // guard: retries-end-with-the-lease
        if (one.endsAt > now) {
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
