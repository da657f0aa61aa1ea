import { LRUCache } from 'lru-cache';
import {
  encodeLease,
  LEASE,
  LEASE_LENGTH,
  MAGIC,
  tokenOf,
  VALUE,
  WAITED,
  WIRE_VERSION,
} from '../../core/ports/entry-format.js';
import type { Clock } from '../../core/ports/clock.js';
import type { EntryStore, FillReply, LeaseReply, TagState, Snapshot } from '../../core/ports/entry-store.js';
import { TAG_CHANGE_BYTES, TAG_CHANGES_IDENTITY, TAG_CHANGES_LENGTH } from '../../core/ports/tag-changes.js';

export interface MemoryLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/**
 * Every verb of the port in one process, with the semantics of the Redis adapter: each verb runs to its end
 * before another begins, which is all the atomicity it needs. Records are bytes, as in Redis, so that what a
 * caller does to a returned value never reaches the cache.
 */
export class MemoryEntryStore implements EntryStore {
  readonly #clock: Clock;
  readonly #records: LRUCache<string, Uint8Array>;
  readonly #wake: (key: string) => void;

  constructor(clock: Clock, limits: MemoryLimits, wake: (key: string) => void) {
    this.#clock = clock;
    this.#wake = wake;
    this.#records = new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      sizeCalculation: (record, key) => record.length + key.length,
      perf: clock,
      ttlResolution: 0,
      ttl: 1,
    });
  }

  async read(key: string, nonceKeys: readonly string[]): Promise<Snapshot> {
    return { record: this.#records.get(key) ?? null, nonces: this.#nonces(nonceKeys) };
  }

  async nonces(nonceKeys: readonly string[]): Promise<readonly (string | null)[]> {
    return this.#nonces(nonceKeys);
  }

  async lease(
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
  ): Promise<LeaseReply> {
    const at = this.#clock.now();
    const record = this.#records.get(key);
    const holder = record === undefined ? undefined : tokenOf(record);
    // guard: one-lease-for-a-key-memory
    if (record !== undefined && holder !== undefined && replaces !== '*' && holder !== token) {
      if (isLease(record)) {
        record[2]! |= WAITED;
        return { status: 'held', forMs: this.#records.getRemainingTTL(key), at };
      }
      // guard: lease-replaces-named-value-only-memory
      if (holder !== replaces) return { status: 'present', record };
    }
    if (holder !== token) this.#records.set(key, ownBytes(encodeLease(token)), { ttl: leaseMs });
    return { status: 'granted', at };
  }

  async extend(key: string, token: string, leaseMs: number): Promise<boolean> {
    const lease = this.#leaseOf(key, token);
    if (lease !== undefined) this.#records.set(key, lease, { ttl: leaseMs });
    return lease !== undefined;
  }

  async fill(key: string, token: string, record: Uint8Array, until: number): Promise<FillReply> {
    const lease = this.#leaseOf(key, token);
    // guard: fill-needs-lease-memory
    if (lease === undefined) {
      const present = this.#records.peek(key);
      return present !== undefined && tokenOf(present) === token ? 'stored' : 'refused';
    }
    // guard: late-fill-is-not-stored-memory
    const left = Math.floor(until) - Math.floor(this.#clock.now());
    if (left > 0) this.#records.set(key, ownBytes(record), { ttl: left });
    else this.#records.delete(key);
    // guard: fill-wakes-the-waiters-memory
    this.#wakeIfWaited(key, lease);
    return left > 0 ? 'stored' : 'expired';
  }

  async release(key: string, token: string): Promise<boolean> {
    const lease = this.#leaseOf(key, token);
    // guard: release-by-holder-only-memory
    if (lease === undefined) return false;
    this.#records.delete(key);
    this.#wakeIfWaited(key, lease);
    return true;
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const record = this.#records.peek(key);
      // guard: removal-removes-leases-memory
      if (record === undefined) continue;
      this.#records.delete(key);
      this.#wakeIfWaited(key, record);
    }
  }

  async getOrCreateNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string | undefined,
    fresh: string,
    ttlMs: number,
  ): Promise<TagState> {
    const nonces = nonceKeys.map((key) => latin1(this.#keep(key, ttlMs, () => bytes(fresh))));
    if (tagChangesKey === undefined) return { nonces, tagChanges: NO_TAG_CHANGES };
    const tagChanges = this.#keep(tagChangesKey, ttlMs, () => {
      const made = new Uint8Array(TAG_CHANGES_LENGTH);
      made.set(bytes(fresh));
      return made;
    });
    return { nonces, tagChanges: tagChanges.slice() };
  }

  async removeNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
  ): Promise<void> {
    for (const key of nonceKeys) this.#records.delete(key);
    const tagChanges = this.#records.peek(tagChangesKey);
    if (tagChanges === undefined) return;
    const mark = bytes(fresh).subarray(0, TAG_CHANGE_BYTES);
    // guard: invalidated-tag-marks-its-bucket-memory
    for (const bucket of buckets) tagChanges.set(mark, TAG_CHANGES_IDENTITY + bucket * TAG_CHANGE_BYTES);
  }

  /** How much stands there, for tests and for the curious. */
  get size(): { readonly records: number; readonly bytes: number } {
    return { records: this.#records.size, bytes: this.#records.calculatedSize };
  }

  clear(): void {
    this.#records.clear();
  }

  #nonces(keys: readonly string[]): (string | null)[] {
    return keys.map((key) => {
      const nonce = this.#records.get(key);
      return nonce === undefined ? null : latin1(nonce);
    });
  }

  #keep(key: string, ttlMs: number, make: () => Uint8Array): Uint8Array {
    const standing = this.#records.get(key);
    // guard: nonces-live-no-shorter-memory
    if (standing !== undefined && this.#records.getRemainingTTL(key) >= ttlMs) return standing;
    // guard: nonces-are-kept-memory
    const kept = standing ?? make();
    this.#records.set(key, kept, { ttl: ttlMs });
    return kept;
  }

  #leaseOf(key: string, token: string): Uint8Array | undefined {
    const record = this.#records.get(key);
    // guard: fill-needs-own-lease-memory
    // guard: value-is-no-lease-memory
    return record !== undefined && isLease(record) && tokenOf(record) === token ? record : undefined;
  }

  #wakeIfWaited(key: string, record: Uint8Array): void {
    if (isLease(record) && (record[2]! & WAITED) !== 0) this.#wake(key);
  }
}

const NO_TAG_CHANGES = new Uint8Array(0);

function isLease(record: Uint8Array): boolean {
  return (
    record.length === LEASE_LENGTH &&
    record[0] === MAGIC &&
    record[1] === WIRE_VERSION &&
    (record[2]! & (LEASE | VALUE)) === LEASE
  );
}

function bytes(text: string): Uint8Array {
  return ownBytes(Buffer.from(text, 'latin1'));
}

/**
 * A copy in memory of its own. Small buffers of Node.js are slices of a slab of 8 KiB, which lives for as long as any of
 * them: what is kept must not be one.
 */
function ownBytes(bytes: Uint8Array): Uint8Array {
  // guard: kept-bytes-are-of-their-own
  return new Uint8Array(bytes);
}

function latin1(record: Uint8Array): string {
  return Buffer.from(record.buffer, record.byteOffset, record.byteLength).toString('latin1');
}
