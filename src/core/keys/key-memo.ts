/** How many keys are remembered. */
const SIZE = 1_024;

/** A key that was rendered before. */
export class RememberedKey {
  /**
   * What a cache has found under the key. Who sets it removes it when it no longer stands: a remembered key must not keep
   * values in memory.
   */
  found: object | undefined = undefined;

  constructor(readonly text: string) {}
}

/**
 * Remembers the keys of a template with one placeholder, by its argument: a lookup takes a tenth of the time of rendering.
 * It is for the few keys that most calls ask for. A template whose calls ask for many different ones stops using it.
 */
export class KeyMemo {
  #keys: Map<string, RememberedKey> | undefined = new Map();
  #hits = 0;

  get(argument: string): RememberedKey | undefined {
    const key = this.#keys?.get(argument);
    if (key !== undefined) this.#hits += 1;
    return key;
  }

  /** Returns undefined if it has ended. */
  set(argument: string, text: string): RememberedKey | undefined {
    if (this.#keys === undefined) return undefined;
    if (this.#keys.size >= SIZE) {
      // guard: memo-that-does-not-pay-ends
      if (this.#hits < SIZE) this.#keys = undefined;
      this.#keys?.clear();
      this.#hits = 0;
    }
    if (this.#keys === undefined) return undefined;
    const key = new RememberedKey(text);
    this.#keys.set(argument, key);
    return key;
  }

  /** The number of keys; undefined if it has ended. For tests. */
  get size(): number | undefined {
    return this.#keys?.size;
  }
}
