import { LRUCache } from 'lru-cache';
import {
  encodeLease,
  idleLimits,
  isRefreshable,
  LEASE,
  LEASE_LENGTH,
  MAGIC,
  REFRESH_LEASE_AT,
  REFRESH_TOKEN_AT,
  REFRESHABLE_HEAD,
  RETRY_AT,
  tokenOf,
  toRefreshable,
  VALUE,
  HAS_WAITERS,
  WIRE_VERSION,
} from '../../core/ports/entry-format.js';
import type { Clock } from '../../core/ports/clock.js';
import {
  decodeDoubt,
  doubtEndsAt,
  ENDED_MARK_MS,
  encodeDoubt,
  isInDoubt,
  otherMarks,
  type Doubt,
} from '../../core/ports/doubt-record.js';
import type {
  EntryStore,
  FillReply,
  Keeps,
  LeaseReply,
  MarkedKind,
  TagState,
  Snapshot,
} from '../../core/ports/entry-store.js';
import { TAG_CHANGE_BYTES, TAG_CHANGES_IDENTITY, TAG_CHANGES_LENGTH } from '../../core/ports/tag-changes.js';

export interface MemoryLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/**
 * Entries and nonces in this process, with the semantics of the Redis adapter. A verb runs synchronously, so it is
 * atomic. Records are bytes, as in Redis, so that a caller who changes a returned value does not change the entry.
 */
export class MemoryEntryStore implements EntryStore {
  readonly #clock: Clock;
  readonly #records: LRUCache<string, Uint8Array>;
  readonly #wake: (key: string) => void;
  readonly #changed: (keys: readonly string[]) => void;

  /** @param changed called with the keys of records that were removed or are being replaced */
  constructor(
    clock: Clock,
    limits: MemoryLimits,
    wake: (key: string) => void,
    changed: (keys: readonly string[]) => void,
  ) {
    this.#clock = clock;
    this.#wake = wake;
    this.#changed = changed;
    this.#records = new LRUCache({
      max: limits.maxEntries,
      maxSize: limits.maxBytes,
      sizeCalculation: (record, key) => record.length + key.length,
      perf: clock,
      ttlResolution: 0,
      ttl: 1,
    });
  }

  async read(
    key: string,
    nonceKeys: readonly string[],
    _timeout?: number,
    known?: string,
  ): Promise<Snapshot> {
    const record = this.#records.get(key) ?? null;
    const nonces = this.#nonces(nonceKeys);
    const storeTime = this.#clock.now();
    // guard: record-with-the-known-token-is-unchanged-memory
    if (known !== undefined && record !== null && !isLease(record) && tokenOf(record) === known) {
      return { record: null, nonces, isUnchanged: true, storeTime };
    }
    return { record, nonces, storeTime };
  }

  async time(): Promise<number> {
    return this.#clock.now();
  }

  async nonces(nonceKeys: readonly string[]): Promise<readonly (string | null)[]> {
    return this.#nonces(nonceKeys);
  }

  async lease(
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
    _timeout?: number,
    keeps?: Keeps,
  ): Promise<LeaseReply> {
    const now = this.#clock.now();
    const record = this.#records.get(key);
    const doubt = record === undefined ? undefined : decodeDoubt(record);
    if (doubt !== undefined) {
      // guard: replaced-value-does-not-stand-again-memory
      if (replaces === '*') this.#setDoubt('entries', key, { ...doubt, base: undefined });
      return { status: 'in-doubt' };
    }
    const holder = record === undefined ? undefined : tokenOf(record);
    // guard: put-keeps-the-value-memory
    if (replaces === '*' && keeps !== undefined && record !== undefined && isValue(record)) {
      this.#setRefreshLease(key, this.#refreshable(key, record), token, leaseMs);
      this.#changed([key]);
      return { status: 'granted', storeTime: now };
    }
    // guard: one-lease-for-a-key-memory
    if (record !== undefined && holder !== undefined && replaces !== '*' && holder !== token) {
      if (isLease(record)) {
        record[2]! |= HAS_WAITERS;
        return { status: 'held', forMs: this.#records.getRemainingTTL(key), storeTime: now };
      }
      // guard: lease-replaces-named-value-only-memory
      if (holder !== replaces) return { status: 'present', record };
      if (keeps !== undefined && isRefreshable(record)) {
        return this.#leaseRefresh(key, record, token, leaseMs, keeps);
      }
    }
    if (holder !== token) this.#records.set(key, ownBytes(encodeLease(token)), { ttl: leaseMs });
    // guard: replaced-value-is-reported-memory
    if (replaces === '*') this.#changed([key]);
    return { status: 'granted', storeTime: now };
  }

  /** A refreshable value stays, and gets the lease. */
  #leaseRefresh(key: string, record: Uint8Array, token: string, leaseMs: number, keeps: Keeps): LeaseReply {
    const now = this.#clock.now();
    // guard: refresh-waits-for-the-back-off-memory
    if (keeps === 'back-off' && asBuffer(record).readDoubleBE(RETRY_AT) > now) {
      return { status: 'present', record };
    }
    const lease = refreshLeaseOf(record);
    // guard: one-refresh-at-a-time-memory
    if (lease.until > now && lease.token !== token) {
      record[2]! |= HAS_WAITERS;
      return { status: 'held', forMs: lease.until - now, storeTime: now };
    }
    this.#setRefreshLease(key, record, token, leaseMs);
    return { status: 'granted', storeTime: now };
  }

  #refreshable(key: string, record: Uint8Array): Uint8Array {
    if (isRefreshable(record)) return record;
    const refreshable = toRefreshable(record);
    this.#records.set(key, refreshable, { ttl: this.#records.getRemainingTTL(key) });
    return refreshable;
  }

  #setRefreshLease(key: string, record: Uint8Array, token: string, leaseMs: number): void {
    const view = asBuffer(record);
    view.writeDoubleBE(this.#clock.now() + leaseMs, REFRESH_LEASE_AT);
    view.write(token, REFRESH_TOKEN_AT, 'latin1');
    // guard: value-lives-as-long-as-its-refresh-memory
    if (this.#records.getRemainingTTL(key) < leaseMs) this.#records.set(key, record, { ttl: leaseMs });
  }

  async extend(key: string, token: string, leaseMs: number): Promise<boolean> {
    const lease = this.#leaseOf(key, token);
    if (lease === undefined) return false;
    if (isRefreshable(lease)) this.#setRefreshLease(key, lease, token, leaseMs);
    else this.#records.set(key, lease, { ttl: leaseMs });
    return true;
  }

  async fill(
    key: string,
    token: string,
    record: Uint8Array,
    until: number,
    announces = false,
  ): Promise<FillReply> {
    const lease = this.#leaseOf(key, token) ?? this.#leaseBeneath(key, token);
    // guard: fill-needs-lease-memory
    if (lease === undefined) {
      const present = this.#records.peek(key);
      return present !== undefined && tokenOf(present) === token ? 'stored' : 'refused';
    }
    // guard: late-fill-is-not-stored-memory
    const remainingMs = Math.floor(until) - Math.floor(this.#clock.now());
    if (remainingMs > 0) this.#records.set(key, ownBytes(record), { ttl: remainingMs });
    else this.#records.delete(key);
    // guard: fill-wakes-the-waiters-memory
    this.#wakeIfAwaited(key, lease);
    // guard: put-value-is-reported-memory
    if (announces) this.#changed([key]);
    return remainingMs > 0 ? 'stored' : 'expired';
  }

  async touch(key: string, token: string): Promise<void> {
    const record = this.#records.peek(key);
    const limits = record === undefined ? undefined : idleLimits(record);
    // guard: touch-is-of-one-value-memory
    if (limits === undefined || tokenOf(record!) !== token) return;
    const { idleTtl, endsAt } = limits;
    // guard: touch-ends-with-the-ttl-memory
    const remainingMs = Math.min(idleTtl, Math.floor(endsAt) - Math.floor(this.#clock.now()));
    // guard: touch-shortens-no-life-memory
    if (remainingMs > this.#records.getRemainingTTL(key))
      this.#records.set(key, record!, { ttl: remainingMs });
  }

  async release(key: string, token: string, retryAfterMs = 0): Promise<boolean> {
    const lease = this.#leaseOf(key, token);
    // guard: release-by-holder-only-memory
    if (lease === undefined) return false;
    // guard: release-keeps-the-value-memory
    if (isRefreshable(lease)) {
      const view = asBuffer(lease);
      if (retryAfterMs > 0) view.writeDoubleBE(this.#clock.now() + retryAfterMs, RETRY_AT);
      view.fill(0, REFRESH_LEASE_AT, REFRESHABLE_HEAD);
    } else {
      this.#records.delete(key);
    }
    this.#wakeIfAwaited(key, lease);
    lease[2]! &= ~HAS_WAITERS;
    return true;
  }

  async remove(keys: readonly string[], mark?: string): Promise<void> {
    for (const key of keys) {
      const record = this.#records.peek(key);
      // guard: removal-removes-leases-memory
      if (record === undefined) continue;
      this.#removeUnderMarks(key, record, 'entries', mark);
      this.#wakeIfAwaited(key, record);
    }
    // guard: removal-is-reported-memory
    this.#changed(keys);
  }

  async mark(kind: MarkedKind, keys: readonly string[], token: string, ms: number): Promise<void> {
    const now = this.#clock.now();
    for (const key of keys) {
      const record = this.#records.get(key);
      const doubt = record === undefined ? NO_DOUBT : this.#doubtOf(key, record, token);
      const { live, ended, hasEnded } = otherMarks(doubt, token, now);
      // guard: mark-that-has-ended-ends-what-stood-before-memory
      const base = hasEnded ? undefined : doubt.base;
      const marks = [...(kind === 'nonces' ? ended : []), ...live, { token, endsAt: now + ms }];
      this.#setDoubt(kind, key, { marks, base });
      // guard: marked-lease-wakes-its-waiters-memory
      if (record !== undefined) this.#wakeIfAwaited(key, record);
    }
    // guard: mark-is-reported-memory
    this.#changed(keys);
  }

  async unmark(kind: MarkedKind, keys: readonly string[], token: string): Promise<void> {
    for (const key of keys) {
      const record = this.#records.get(key);
      const doubt = record === undefined ? undefined : decodeDoubt(record);
      if (doubt === undefined) continue;
      const { live, ended, hasEnded } = otherMarks(doubt, token, this.#clock.now());
      // guard: mark-that-has-ended-ends-what-stands-again-memory
      const base = hasEnded ? undefined : doubt.base;
      // guard: ended-mark-of-a-nonce-stays-memory
      const marks = kind === 'nonces' ? [...ended, ...live] : live;
      if (marks.length === 0) {
        this.#standAgain(key, base);
        continue;
      }
      // A put that has failed cannot give its lease back under the marks of others.
      // guard: lifted-mark-takes-its-lease-memory
      const isOwn = base !== undefined && hasLease(base.bytes, token);
      this.#setDoubt(kind, key, { marks, base: isOwn ? withoutLease(base) : base });
    }
  }

  #standAgain(key: string, base: Doubt['base']): void {
    const ttl = base === undefined ? 0 : base.endsAt - this.#clock.now();
    // guard: unmarked-value-has-its-end-memory
    if (ttl > 0) this.#records.set(key, ownBytes(base!.bytes), { ttl });
    else this.#records.delete(key);
  }

  /** What a mark of `token` finds. A lease of another token is lost: its load cannot end it under the mark. */
  #doubtOf(key: string, record: Uint8Array, token: string): Doubt {
    const doubt = decodeDoubt(record);
    if (doubt !== undefined) return doubt;
    const base = { bytes: record, endsAt: this.#clock.now() + this.#records.getRemainingTTL(key) };
    return { marks: [], base: hasLease(record, token) ? base : withoutLease(base) };
  }

  #setDoubt(kind: MarkedKind, key: string, doubt: Doubt): void {
    const now = this.#clock.now();
    const last = Math.max(...doubt.marks.map(({ endsAt }) => endsAt));
    const ttl = last - now + (kind === 'nonces' ? ENDED_MARK_MS : 0);
    this.#records.set(key, ownBytes(encodeDoubt(doubt)), { ttl });
  }

  /** Removes what stands, and the own mark. Marks of others stay. */
  #removeUnderMarks(key: string, record: Uint8Array, kind: MarkedKind, mark: string | undefined): void {
    const doubt = decodeDoubt(record);
    const marks = doubt === undefined ? [] : otherMarks(doubt, mark, this.#clock.now()).live;
    // guard: marks-of-others-stay-memory
    if (marks.length > 0) this.#setDoubt(kind, key, { marks, base: undefined });
    else this.#records.delete(key);
  }

  async getOrCreateNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string | undefined,
    fresh: string,
    ttlMs: number,
  ): Promise<TagState> {
    const ended: string[] = [];
    const nonces = nonceKeys.map((key) => {
      const existing = this.#records.get(key);
      if (existing !== undefined && isInDoubt(existing)) {
        const endsAt = doubtEndsAt(latin1(existing));
        // guard: ended-mark-is-told-memory
        if (endsAt !== undefined && endsAt <= this.#clock.now()) ended.push(key);
        // guard: nonce-in-doubt-is-not-replaced-memory
        return null;
      }
      return latin1(this.#getOrCreate(key, ttlMs, () => bytes(fresh)));
    });
    if (tagChangesKey === undefined) return { nonces, ended, tagChanges: NO_TAG_CHANGES };
    const tagChanges = this.#getOrCreate(tagChangesKey, ttlMs, () => {
      const unchanged = new Uint8Array(TAG_CHANGES_LENGTH);
      unchanged.set(bytes(fresh));
      return unchanged;
    });
    return { nonces, ended, tagChanges: tagChanges.slice() };
  }

  async replicated(): Promise<undefined> {
    return undefined;
  }

  async removeNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
    mark?: string,
  ): Promise<void> {
    for (const key of nonceKeys) {
      const record = this.#records.peek(key);
      if (record !== undefined) this.#removeUnderMarks(key, record, 'nonces', mark);
    }
    // guard: removed-nonces-are-reported-memory
    this.#changed(nonceKeys);
    const tagChanges = this.#records.peek(tagChangesKey);
    if (tagChanges === undefined) return;
    const change = bytes(fresh).subarray(0, TAG_CHANGE_BYTES);
    // guard: invalidated-tag-marks-its-bucket-memory
    for (const bucket of buckets) tagChanges.set(change, TAG_CHANGES_IDENTITY + bucket * TAG_CHANGE_BYTES);
  }

  /** For tests: the number of records and their size, keys included. */
  get size(): { readonly records: number; readonly bytes: number } {
    return { records: this.#records.size, bytes: this.#records.calculatedSize };
  }

  /** For tests: drops everything, as an eviction of all records would. */
  clear(): void {
    this.#records.clear();
  }

  #nonces(keys: readonly string[]): (string | null)[] {
    return keys.map((key) => {
      const nonce = this.#records.get(key);
      return nonce === undefined ? null : latin1(nonce);
    });
  }

  /** Returns the record at the key, or a new one. It lives for `ttlMs` or longer. */
  #getOrCreate(key: string, ttlMs: number, create: () => Uint8Array): Uint8Array {
    const existing = this.#records.get(key);
    // guard: nonces-live-no-shorter-memory
    if (existing !== undefined && this.#records.getRemainingTTL(key) >= ttlMs) return existing;
    // guard: nonces-are-kept-memory
    const record = existing ?? create();
    this.#records.set(key, record, { ttl: ttlMs });
    return record;
  }

  #leaseOf(key: string, token: string): Uint8Array | undefined {
    const record = this.#records.get(key);
    return record !== undefined && hasLease(record, token) ? record : undefined;
  }

  /** The lease beneath the mark of the same write, if the key has no other mark. */
  #leaseBeneath(key: string, token: string): Uint8Array | undefined {
    const record = this.#records.get(key);
    const doubt = record === undefined ? undefined : decodeDoubt(record);
    if (doubt?.base === undefined || !hasLease(doubt.base.bytes, token)) return undefined;
    // guard: fill-under-the-mark-of-another-is-refused-memory
    if (doubt.marks.length > 1 || doubt.marks[0]!.token !== token) return undefined;
    return doubt.base.bytes;
  }

  #wakeIfAwaited(key: string, record: Uint8Array): void {
    if ((isLease(record) || isRefreshable(record)) && (record[2]! & HAS_WAITERS) !== 0) this.#wake(key);
  }
}

const NO_TAG_CHANGES = new Uint8Array(0);
const NO_DOUBT: Doubt = { marks: [], base: undefined };

function isLease(record: Uint8Array): boolean {
  return (
    record.length === LEASE_LENGTH &&
    record[0] === MAGIC &&
    record[1] === WIRE_VERSION &&
    (record[2]! & (LEASE | VALUE)) === LEASE
  );
}

function isValue(record: Uint8Array): boolean {
  return tokenOf(record) !== undefined && (record[2]! & VALUE) !== 0;
}

function hasLease(record: Uint8Array, token: string): boolean {
  if (isRefreshable(record)) return refreshLeaseOf(record).token === token;
  // guard: fill-needs-own-lease-memory
  // guard: value-is-no-lease-memory
  return isLease(record) && tokenOf(record) === token;
}

/** What stands beneath a mark, without the lease. */
function withoutLease(base: NonNullable<Doubt['base']>): Doubt['base'] {
  // guard: marked-lease-does-not-stand-again-memory
  if (isLease(base.bytes)) return undefined;
  if (!isRefreshable(base.bytes)) return base;
  const bytes = ownBytes(base.bytes);
  // guard: marked-refresh-lease-does-not-stand-again-memory
  bytes.fill(0, REFRESH_LEASE_AT, REFRESHABLE_HEAD);
  bytes[2]! &= ~HAS_WAITERS;
  return { ...base, bytes };
}

function refreshLeaseOf(record: Uint8Array): { readonly until: number; readonly token: string } {
  const view = asBuffer(record);
  return {
    until: view.readDoubleBE(REFRESH_LEASE_AT),
    token: view.toString('latin1', REFRESH_TOKEN_AT, REFRESHABLE_HEAD),
  };
}

function asBuffer(record: Uint8Array): Buffer {
  return Buffer.from(record.buffer, record.byteOffset, record.byteLength);
}

function bytes(text: string): Uint8Array {
  return ownBytes(Buffer.from(text, 'latin1'));
}

/**
 * Copies bytes into a buffer of their own. Small buffers of Node.js are slices of a pool of 8 KiB, so a stored slice
 * would keep the whole pool in memory.
 */
function ownBytes(bytes: Uint8Array): Uint8Array {
  // guard: kept-bytes-are-of-their-own
  return new Uint8Array(bytes);
}

function latin1(record: Uint8Array): string {
  return asBuffer(record).toString('latin1');
}
