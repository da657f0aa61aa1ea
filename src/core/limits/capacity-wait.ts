import type { Decision } from '../ports/decision.js';
import { Backoff } from '../shared/backoff.js';
import { StoreUnavailableError } from '../shared/errors.js';
import { onAbort } from '../shared/on-abort.js';
import type { Clock } from '../ports/clock.js';
import { BLOCK } from './rules.js';
import { Wakeup, Wakeups, type Listen } from '../shared/wakeups.js';

const INITIAL_POLL_MS = 25;
const MAX_POLL_MS = 250;
const MAX_JITTER_MS = 50;

/** The calls that wait until a limit has capacity for them. They are woken when units are released or refunded. */
export class CapacityWaits {
  readonly #clock: Clock;
  readonly #wakeups: Wakeups;
  readonly #waiting = new Set<Wakeup>();
  #isClosed = false;

  constructor(clock: Clock, listen?: Listen) {
    this.#clock = clock;
    this.#wakeups = new Wakeups(listen);
  }

  /**
   * Repeats `decide` until the call is allowed, `waitMs` has passed, or the call cannot be allowed before that.
   *
   * @returns the last decision
   * @throws the signal's reason; StoreUnavailableError if the `Caching` is closed; what `decide` throws
   */
  async untilCapacity(
    subject: string,
    waitMs: number,
    signal: AbortSignal | undefined,
    decide: () => Promise<Decision>,
  ): Promise<Decision> {
    const endsAt = this.#clock.now() + waitMs;
    const polls = new Backoff(this.#clock, INITIAL_POLL_MS, MAX_POLL_MS);
    signal?.throwIfAborted();
    const wakeup = new Wakeup(this.#clock);
    const disarm = this.#wakeups.arm([subject], wakeup);
    const unlisten = signal === undefined ? undefined : onAbort(signal, () => wakeup.wake());
    this.#waiting.add(wakeup);
    try {
      for (;;) {
        wakeup.reset();
        const decision = await decide();
        if (decision.allowed) return decision;
        signal?.throwIfAborted();
        const pause = this.#pauseAfter(decision, endsAt - this.#clock.now(), polls);
        if (pause === undefined) return decision;
        // Refunds and resets are published to every process, and the release of a slot only to those that listen for it.
        if (!this.#isClosed) await wakeup.within(pause, dueIn(decision) === 0);
        if (this.#isClosed) throw new StoreUnavailableError('This Caching is closed.', 'refused');
        signal?.throwIfAborted();
      }
    } finally {
      disarm();
      unlisten?.();
      this.#waiting.delete(wakeup);
    }
  }

  wake(subject: string): void {
    this.#wakeups.wake(subject);
  }

  close(): void {
    this.#isClosed = true;
    for (const wakeup of this.#waiting) wakeup.wake();
  }

  /** The pause before the next attempt, in ms. Undefined if no attempt within the remaining time can be allowed. */
  #pauseAfter(
    { rule, rules, retryAfterMs }: Decision,
    remainingMs: number,
    polls: Backoff,
  ): number | undefined {
    const due = dueIn({ rule, rules, retryAfterMs });
    if (remainingMs <= 0 || due > remainingMs) return undefined;
    // Only concurrency rules refuse. A slot may be released at any time, so poll for it.
    const pause = due === 0 ? polls.next() : due + this.#clock.random() * Math.min(due / 10, MAX_JITTER_MS);
    return Math.min(remainingMs, pause);
  }
}

/**
 * After how many ms all rules may have room again. 0: only concurrency rules refuse, and a slot may be released at any time.
 */
function dueIn({ rule, rules, retryAfterMs }: Pick<Decision, 'rule' | 'rules' | 'retryAfterMs'>): number {
  if (rule === BLOCK) return retryAfterMs;
  const refusing = rules.filter(({ allowed, algorithm }) => !allowed && algorithm !== 'concurrency');
  return Math.max(0, ...refusing.map((one) => one.retryAfterMs));
}
