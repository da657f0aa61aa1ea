import type { Clock } from '../ports/clock.js';
import { LinkedSet, type Linked } from './linked-set.js';

interface CachedItem<Value> extends Linked<CachedItem<Value>> {
  readonly key: string;
  readonly value: Value;
  readonly expiresAt: number;
}

/**
 * Values that expire, at most `max` of them: the least recently used is evicted first. A Map alone, in the order of its
 * keys, would not do: finding its first key takes the longer, the more keys before it were deleted.
 */
export class TtlCache<Value extends {}> {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #items = new Map<string, CachedItem<Value>>();
  /** The least recently used first. */
  readonly #order = new LinkedSet<CachedItem<Value>>();
  /** Never goes back, also if the clock does: otherwise values would expire early once the clock has caught up. */
  #latest = -Infinity;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get(key: string): Value | undefined {
    const item = this.#items.get(key);
    if (item === undefined) return undefined;
    if (this.#now() > item.expiresAt) {
      this.#drop(item);
      return undefined;
    }
    this.#order.delete(item);
    this.#order.add(item);
    return item.value;
  }

  /** @param ttlMs rounded up, at least 1 */
  set(key: string, value: Value, ttlMs: number): void {
    const known = this.#items.get(key);
    if (known !== undefined) this.#drop(known);
    else if (this.#items.size >= this.#max) this.#drop(this.#order.oldest!);
    const expiresAt = this.#now() + Math.max(1, Math.ceil(ttlMs));
    const item = { key, value, expiresAt, isLinked: false, before: undefined, after: undefined };
    this.#items.set(key, item);
    this.#order.add(item);
  }

  delete(key: string): void {
    const item = this.#items.get(key);
    if (item !== undefined) this.#drop(item);
  }

  /** Values that have not expired. */
  get size(): number {
    const now = this.#now();
    for (const item of this.#items.values()) if (now > item.expiresAt) this.#drop(item);
    return this.#items.size;
  }

  #drop(item: CachedItem<Value>): void {
    this.#items.delete(item.key);
    this.#order.delete(item);
  }

  #now(): number {
    // guard: window-ends-by-the-latest-time
    this.#latest = Math.max(this.#latest, this.#clock.now());
    return this.#latest;
  }
}
