import type { Backend } from '../ports/adapter.js';
import type { Clock } from '../ports/clock.js';

/** `Backend.listen` of the store, if it has that. */
export type Listen = Backend['listen'];

/**
 * The waiting calls by store key: for a load, a lock, or units of a limit. Messages of the store wake them. A message may be
 * lost, so every pause also has a maximum duration.
 */
export class Wakeups {
  readonly #listen: Listen;
  readonly #armed = new Map<string, Wakeup[]>();

  /** @param listen asks the store for the messages, when a call pauses for the first time: most calls never do */
  constructor(listen: Listen) {
    this.#listen = listen;
  }

  /**
   * Lets messages for the keys wake `wakeup`.
   * @returns a function that stops this
   */
  arm(keys: readonly string[], wakeup: Wakeup): () => void {
    const listen = this.#listen;
    let ends: (() => void)[] | undefined;
    if (listen !== undefined) {
      wakeup.onPause = () => {
        ends ??= keys.map((key) => listen(key));
      };
    }
    for (const key of keys) this.#add(key, wakeup);
    return () => {
      wakeup.onPause = undefined;
      for (const key of keys) this.#remove(key, wakeup);
      for (const end of ends?.splice(0) ?? []) end();
    };
  }

  /** Wakes all calls that wait for the key. */
  wake(key: string): void {
    const wakeups = this.#armed.get(key);
    if (wakeups !== undefined) for (const wakeup of [...wakeups]) wakeup.wake();
  }

  #add(key: string, wakeup: Wakeup): void {
    const wakeups = this.#armed.get(key);
    if (wakeups === undefined) this.#armed.set(key, [wakeup]);
    else wakeups.push(wakeup);
  }

  #remove(key: string, wakeup: Wakeup): void {
    const wakeups = this.#armed.get(key);
    const index = wakeups?.indexOf(wakeup) ?? -1;
    if (index < 0) return;
    wakeups!.splice(index, 1);
    if (wakeups!.length === 0) this.#armed.delete(key);
  }
}

/**
 * The pauses of one waiting call. Arm it before the request is sent: a message that arrives between the reply and the pause
 * then ends the pause at once.
 */
export class Wakeup {
  /** Called at the beginning of a pause that a message of the store may end. */
  onPause: (() => void) | undefined;
  readonly #clock: Clock;
  #isWoken = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Forgets earlier messages. To be called before each request, whose reply reflects them. */
  reset(): void {
    this.#isWoken = false;
  }

  /** Ends the current pause, or the next one if it has not started. */
  wake(): void {
    this.#isWoken = true;
    this.#end?.();
  }

  /** Ends the current pause, if there is one. Unlike `wake`, it does not end a later pause. */
  interrupt(): void {
    this.#end?.();
  }

  /**
   * Pauses for `ms`, or until it is woken; not at all if it was woken since the last `reset`. False: not woken.
   * @param listens false: no message of the store can end this pause, so it need not be asked for any
   */
  async within(ms: number, listens = true): Promise<boolean> {
    // guard: early-wake-is-not-lost
    if (this.#isWoken) return true;
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, () => {
        this.#end = undefined;
        resolve(false);
      });
      this.#end = () => {
        this.#end = undefined;
        timer.cancel();
        resolve(true);
      };
      // Last: it may wake at once.
      if (listens) this.onPause?.();
    });
  }
}
