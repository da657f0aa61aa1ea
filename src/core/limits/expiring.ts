import type { Clock } from '../ports.js';
import { LONGEST_MS } from './rate-arithmetic.js';

/** A part of a ring, which is the order of use: the parts follow each other, and the last is followed by the first. */
class Link {
  older: Link = this;
  newer: Link = this;

  /** Only for a link that has left its ring, or was in none. */
  enterBefore(end: Link): void {
    this.older = end.older;
    this.newer = end;
    this.older.newer = this;
    end.older = this;
  }

  leave(): void {
    this.older.newer = this.newer;
    this.newer.older = this.older;
  }
}

class Kept<Value> extends Link {
  readonly key: string;
  value: Value;
  until: number;

  constructor(key: string, value: Value, until: number) {
    super();
    this.key = key;
    this.value = value;
    this.until = until;
  }
}

/**
 * Values that end by themselves, the least recently used first where there are too many. A Map alone, in the order of
 * its keys, would not do: it takes the longer to find its first key the more keys before that one were deleted.
 */
export class Expiring<Value extends {}> {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #kept = new Map<string, Kept<Value>>();
  /** Where the ring of what is kept begins and ends: between the most and the least recently used. */
  readonly #ends = new Link();
  /** Never steps back: what was to live until then would end early when the clock has caught up. */
  #latest = -Infinity;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#max = max;
  }

  get(key: string): Value | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (this.#now() > kept.until) {
      this.#drop(kept);
      return undefined;
    }
    kept.leave();
    kept.enterBefore(this.#ends);
    return kept.value;
  }

  /** @param ms its life, rounded up */
  set(key: string, value: Value, ms: number): void {
    const before = this.#kept.get(key);
    if (before !== undefined) before.leave();
    else if (this.#kept.size >= this.#max) this.#drop(this.#ends.newer as Kept<Value>);
    const life = Math.min(Math.max(1, Math.ceil(ms)), LONGEST_MS);
    const kept = new Kept(key, value, this.#now() + life);
    this.#kept.set(key, kept);
    kept.enterBefore(this.#ends);
  }

  delete(key: string): void {
    const kept = this.#kept.get(key);
    if (kept !== undefined) this.#drop(kept);
  }

  /** Those that have not ended. */
  get size(): number {
    const now = this.#now();
    for (const kept of this.#kept.values()) if (now > kept.until) this.#drop(kept);
    return this.#kept.size;
  }

  #drop(kept: Kept<Value>): void {
    this.#kept.delete(kept.key);
    kept.leave();
  }

  #now(): number {
    this.#latest = Math.max(this.#latest, this.#clock.now());
    return this.#latest;
  }
}
