/**
 * Monotonic reads: the least load start a stored entry must have for this process to return it.
 *
 * A load under a lease needs none: the store refuses what began earlier. A load *without* a lease (the store was
 * away, another's lease outlasted the wait) returns a value that the store knows nothing of, and an entry whose
 * load began before it must not be returned after it. Bounded: the oldest floors are forgotten first.
 */
export class Floors {
  readonly #floors = new Map<string, number>();
  readonly #max: number;

  constructor(max = 10_000) {
    this.#max = max;
  }

  /** @param at store's clock, ms since the epoch */
  raise(key: string, at: number): void {
    const floor = this.#floors.get(key);
    if (floor !== undefined && floor >= at) return;
    this.#floors.delete(key);
    this.#floors.set(key, at);
    if (this.#floors.size > this.#max) this.#floors.delete(this.#floors.keys().next().value!);
  }

  allows(key: string, loadStart: number): boolean {
    if (this.#floors.size === 0) return true;
    const floor = this.#floors.get(key);
    return floor === undefined || loadStart >= floor;
  }
}
