/** How many keys are remembered. */
const SIZE = 1_024;

/**
 * Remembers the keys of a template with one placeholder, by its argument: a lookup takes a tenth of the time of rendering,
 * and the key that it returns has been hashed before. It is for the few keys that most calls ask for. A template whose
 * calls ask for many different ones stops using it.
 */
export class KeyMemo {
  #keys: Map<string, string> | undefined = new Map();
  #hits = 0;

  get(argument: string): string | undefined {
    const key = this.#keys?.get(argument);
    if (key !== undefined) this.#hits += 1;
    return key;
  }

  set(argument: string, key: string): void {
    if (this.#keys === undefined) return;
    if (this.#keys.size >= SIZE) {
      // guard: memo-that-does-not-pay-ends
      if (this.#hits < SIZE) this.#keys = undefined;
      this.#keys?.clear();
      this.#hits = 0;
    }
    this.#keys?.set(argument, key);
  }

  /** The number of keys; undefined if it has ended. For tests. */
  get size(): number | undefined {
    return this.#keys?.size;
  }
}
