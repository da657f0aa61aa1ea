import { LRUCache } from 'lru-cache';
import type { Clock } from '../ports.js';
import { LONGEST_MS } from './rate-arithmetic.js';

/** Values that end by themselves, the least recently used first where there are too many. */
export class Expiring<Value extends {}> {
  readonly #max: number;
  /** Never steps back: what was to live until then would end early when the clock has caught up. */
  readonly #perf: { now(): number };
  /** Made with the first value: many who could keep something never do. */
  #values: LRUCache<string, Value> | undefined;

  constructor(clock: Clock, max: number) {
    this.#max = max;
    let latest = -Infinity;
    this.#perf = { now: () => (latest = Math.max(latest, clock.now())) };
  }

  get(key: string): Value | undefined {
    return this.#values?.get(key);
  }

  /** @param ms its life, rounded up */
  set(key: string, value: Value, ms: number): void {
    this.#values ??= new LRUCache({ max: this.#max, perf: this.#perf, ttlResolution: 0, ttl: 1 });
    this.#values.set(key, value, { ttl: Math.min(Math.max(1, Math.ceil(ms)), LONGEST_MS) });
  }

  delete(key: string): void {
    this.#values?.delete(key);
  }

  /** Those that have not ended. */
  get size(): number {
    this.#values?.purgeStale();
    return this.#values?.size ?? 0;
  }
}
