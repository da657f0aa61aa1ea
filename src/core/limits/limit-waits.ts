import type { Decision } from './decision.js';
import { StoreUnavailableError } from '../errors.js';
import { onAbort } from '../on-abort.js';
import type { Clock } from '../ports.js';
import { BLOCK } from './rate-rules.js';
import { Waiters } from '../waiters.js';

const FIRST_POLL = 25;
const LAST_POLL = 250;
const MOST_JITTER = 50;

/** Calls that wait for room. Woken when units were given back; a wake that was lost is made up by asking again. */
export class LimitWaits {
  readonly #clock: Clock;
  readonly #waiters = new Waiters();
  readonly #pauses = new Set<() => void>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Asks until there is room, or nothing more can come of it before the wait is over.
   * @throws the signal's reason; StoreUnavailableError if it is closed meanwhile
   */
  async untilRoom(
    subject: string,
    waitMs: number,
    signal: AbortSignal | undefined,
    ask: () => Promise<Decision>,
  ): Promise<Decision> {
    const end = this.#clock.now() + waitMs;
    for (let poll = FIRST_POLL; ; poll = Math.min(poll * 2, LAST_POLL)) {
      signal?.throwIfAborted();
      // Armed before the store is asked, so that no wake falls between the answer and the pause.
      const woken = this.#listen(subject);
      try {
        const decision = await ask();
        if (decision.allowed) return decision;
        signal?.throwIfAborted();
        const pause = this.#pauseAfter(decision, end - this.#clock.now(), poll);
        if (pause === undefined) return decision;
        await woken.within(pause, signal);
      } finally {
        woken.end();
      }
      if (this.#closed) throw new StoreUnavailableError('This Caching is closed.', 'refused');
    }
  }

  wake(subject: string): void {
    this.#waiters.wake(subject);
  }

  close(): void {
    this.#closed = true;
    for (const end of [...this.#pauses]) end();
  }

  /** @returns undefined if the wait cannot help */
  #pauseAfter({ rule, rules, retryAfterMs }: Decision, left: number, poll: number): number | undefined {
    const refusing = rules.filter(({ allowed, algorithm }) => !allowed && algorithm !== 'concurrency');
    const due = rule === BLOCK ? retryAfterMs : Math.max(0, ...refusing.map((one) => one.retryAfterMs));
    if (left <= 0 || due > left) return undefined;
    // Nobody knows when a slot is given back.
    const pause =
      due === 0
        ? poll * (0.75 + this.#clock.random() / 2)
        : due + this.#clock.random() * Math.min(due / 10, MOST_JITTER);
    return Math.min(left, pause);
  }

  #listen(subject: string): {
    within(ms: number, signal: AbortSignal | undefined): Promise<void>;
    end(): void;
  } {
    let resume: (() => void) | undefined;
    let woken = false;
    const end = this.#waiters.listen(subject, () => {
      woken = true;
      resume?.();
    });
    const within = async (ms: number, signal: AbortSignal | undefined): Promise<void> => {
      if (woken || this.#closed) return;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          timer.cancel();
          unlisten?.();
          this.#pauses.delete(go);
          resolve();
        };
        const timer = this.#clock.after(ms, go);
        const unlisten = signal === undefined ? undefined : onAbort(signal, go);
        this.#pauses.add(go);
        resume = go;
      });
    };
    return { within, end };
  }
}
