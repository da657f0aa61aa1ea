import { LRUCache } from 'lru-cache';
import { MemoryEntryStore } from '../../../src/adapters/memory/memory-entry-store.js';
import type { Clock } from '../../../src/core/ports/clock.js';
import { decodeDoubt } from '../../../src/core/ports/doubt-record.js';
import { isLease, isRefreshable, REFRESH_LEASE_AT } from '../../../src/core/ports/entry-format.js';
import type { EntryStore } from '../../../src/core/ports/entry-store.js';

/** The store of memory(), and what it holds. */
export class ModelStore {
  readonly #store: MemoryEntryStore;
  readonly #records: LRUCache<string, Uint8Array>;
  readonly #clock: Clock;

  constructor(clock: Clock, wake: (key: string) => void, changed: (keys: readonly string[]) => void) {
    this.#clock = clock;
    this.#store = new MemoryEntryStore(clock, { maxEntries: 64, maxBytes: 1e6 }, wake, changed);
    this.#records = recordsOf(this.#store);
  }

  send(verb: keyof EntryStore, args: readonly unknown[]): Promise<unknown> {
    return (this.#store[verb] as (...args: readonly unknown[]) => Promise<unknown>)(...args);
  }

  get keys(): readonly string[] {
    return [...this.#records.keys()];
  }

  /** Each record, with its end. */
  get records(): readonly { readonly key: string; readonly record: Uint8Array; readonly end: number }[] {
    const now = this.#clock.now();
    return [...this.#records.entries()].map(([key, record]) => ({
      key,
      record,
      end: Math.round((now + this.#records.getRemainingTTL(key)) * 1_000),
    }));
  }

  /** True if there is a record that lives for `ms` at least. */
  lives(key: string, ms: number): boolean {
    return this.#records.getRemainingTTL(key) >= Math.max(1, ms);
  }

  /** Nobody is told. */
  evict(key: string): void {
    this.#records.delete(key);
  }

  /** True if a mark of a write stands at the key. */
  isMarked(key: string): boolean {
    const record = this.#records.peek(key);
    const marks = record === undefined ? undefined : decodeDoubt(record)?.marks;
    return marks?.some(({ endsAt }) => endsAt > this.#clock.now()) ?? false;
  }

  /** The keys that have a lease. */
  get leased(): readonly string[] {
    const isLeased = (record: Uint8Array): boolean => {
      if (!isRefreshable(record)) return isLease(record);
      return new DataView(record.buffer, record.byteOffset).getFloat64(REFRESH_LEASE_AT) > this.#clock.now();
    };
    return [...this.#records.entries()].filter(([, record]) => isLeased(record)).map(([key]) => key);
  }
}

/** The records of a store, which are private: `clear` shows them. */
function recordsOf(store: MemoryEntryStore): LRUCache<string, Uint8Array> {
  const { clear } = LRUCache.prototype;
  const cleared: unknown[] = [];
  LRUCache.prototype.clear = function (this: unknown): void {
    cleared.push(this);
  };
  try {
    store.clear();
  } finally {
    LRUCache.prototype.clear = clear;
  }
  return cleared[0] as LRUCache<string, Uint8Array>;
}
