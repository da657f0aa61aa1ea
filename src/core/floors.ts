/**
 * Monotonic reads: the earliest load start that an entry may have for this process to return it.
 *
 * A load whose value the store has taken under its lease needs none: the store refuses what began earlier. But one
 * that ran without a lease (the store was away, another's lease outlasted the wait), or whose lease was lost on the
 * way, brings a value that the store knows nothing of, and an entry whose load began before it must not be returned
 * after it. Times are this process' own clock. Bounded: the oldest floors are forgotten first.
 */
export class Floors {
  readonly #floors = new Map<string, number>();
  readonly #max: number;

  constructor(max = 10_000) {
    this.#max = max;
  }

  /** @returns the floor that there was, for `lower` */
  raise(key: string, since: number): number | undefined {
    const floor = this.#floors.get(key);
    if (floor !== undefined && floor >= since) return floor;
    this.#floors.delete(key);
    this.#floors.set(key, since);
    if (this.#floors.size > this.#max) this.#floors.delete(this.#floors.keys().next().value!);
    return floor;
  }

  /** Takes a raise back, if no later one has come over it: the floor is again what it was. */
  lower(key: string, since: number, before: number | undefined): void {
    if (this.#floors.get(key) !== since) return;
    if (before === undefined) this.#floors.delete(key);
    else this.#floors.set(key, before);
  }

  /** @param since when the load began, or earlier; undefined: nobody knows, so it is below every floor */
  allows(key: string, since: number | undefined): boolean {
    if (this.#floors.size === 0) return true;
    const floor = this.#floors.get(key);
    return floor === undefined || (since !== undefined && since >= floor);
  }
}
