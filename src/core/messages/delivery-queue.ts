import type { Clock, Timer } from '../ports/clock.js';

export interface DeliveryLimits {
  /** How many items are handled at the same time. */
  readonly concurrency: number;
  /** How many wait at most. */
  readonly maxQueue: number;
  /** Which one is dropped if more arrive. */
  readonly overflow: 'drop-oldest' | 'drop-newest';
}

/** Handles items in their order, a few at a time. */
export class DeliveryQueue<Item> {
  readonly #limits: DeliveryLimits;
  readonly #handle: (item: Item) => Promise<void>;
  readonly #onDrop: () => void;
  readonly #waiting: Item[] = [];
  #running = 0;
  #closed = false;
  #idle: (() => void) | undefined;

  /**
   * @param handle must not reject
   * @param onDrop called for each item that is dropped because too many wait
   */
  constructor(limits: DeliveryLimits, handle: (item: Item) => Promise<void>, onDrop: () => void) {
    this.#limits = limits;
    this.#handle = handle;
    this.#onDrop = onDrop;
  }

  push(item: Item): void {
    if (this.#closed) return;
    const { concurrency, maxQueue, overflow } = this.#limits;
    if (this.#running < concurrency) {
      void this.#run(item);
      return;
    }
    // guard: waiting-messages-are-bounded
    if (this.#waiting.length >= maxQueue) {
      this.#onDrop();
      if (overflow === 'drop-newest' || maxQueue === 0) return;
      this.#waiting.shift();
    }
    this.#waiting.push(item);
  }

  /**
   * Accepts no more items, and waits for those that it has.
   *
   * @param timeoutMs how long it waits; then it forgets those that have not begun
   * @returns how many it has forgotten
   */
  async close(clock: Clock, timeoutMs: number): Promise<number> {
    this.#closed = true;
    if (this.#running === 0) return 0;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      timer = clock.after(timeoutMs, resolve);
    });
    timer?.cancel();
    return this.#waiting.splice(0).length;
  }

  async #run(first: Item): Promise<void> {
    this.#running++;
    for (let item: Item | undefined = first; item !== undefined; item = this.#waiting.shift()) {
      await this.#handle(item);
    }
    this.#running--;
    if (this.#running === 0) this.#idle?.();
  }
}
