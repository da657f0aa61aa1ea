import type { Clock } from '../ports/clock.js';

/**
 * Calls that wait for something that others have: a load, a lock, units of a limit. The store's messages wake them. A
 * message may be lost, so every pause also has an end.
 */
export class Wakeups {
  readonly #armed = new Map<string, Wakeup[]>();

  /**
   * From now on a message for one of the keys wakes `wakeup`.
   * @returns ends that
   */
  arm(keys: readonly string[], wakeup: Wakeup): () => void {
    for (const key of keys) this.#add(key, wakeup);
    return () => {
      for (const key of keys) this.#remove(key, wakeup);
    };
  }

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
    const at = wakeups?.indexOf(wakeup) ?? -1;
    if (at < 0) return;
    wakeups!.splice(at, 1);
    if (wakeups!.length === 0) this.#armed.delete(key);
  }
}

/**
 * The pauses of one waiting call. Arm it before the store is asked: a message that arrives between the reply and the
 * pause then ends the pause at once.
 */
export class Wakeup {
  readonly #clock: Clock;
  #isWoken = false;
  #end: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Before the store is asked (again): the reply will know of every message so far. */
  reset(): void {
    this.#isWoken = false;
  }

  wake(): void {
    this.#isWoken = true;
    this.#end?.();
  }

  /** Ends the present pause, if there is one. Unlike `wake`, a later pause does not know of it. */
  interrupt(): void {
    this.#end?.();
  }

  /** Resolves after `ms`, or when it is woken, also if that was since the last `reset`. False: `ms` have passed. */
  async within(ms: number): Promise<boolean> {
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
    });
  }
}
