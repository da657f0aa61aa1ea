/** A record and the nonces that decide whether it is valid, read at the same time. */
export interface Snapshot {
  /** The bytes of the record (entry-format.ts), or null if the key does not exist. */
  readonly record: Uint8Array | null;
  /** In the order of the requested keys; null for a nonce that does not exist. */
  readonly nonces: readonly (string | null)[];
  /** True if the key still has the record that the caller knows; `record` is null then. */
  readonly isUnchanged?: boolean | undefined;
  /** The store's clock when the request was sent, or later, in ms since the epoch; undefined if it is not known. */
  readonly storeTime?: number | undefined;
}

/** What `mark` is told about its keys: the record of marks at a nonce outlives them (ports/doubt-record.ts). */
export type MarkedKind = 'entries' | 'nonces';

/** What a lease keeps of the value that it is to replace. */
export type Keeps = 'value' | 'back-off' | undefined;

export type LeaseReply =
  /** The caller holds the lease. `storeTime`: ms since the epoch, by the store's clock. */
  | { readonly status: 'granted'; readonly storeTime: number }
  /** Another caller holds the lease, which ends in `forMs` unless it is extended. `wake` is called when it ends. */
  | { readonly status: 'held'; readonly forMs: number; readonly storeTime: number }
  /** The key has a value other than the one named by `replaces`. */
  | { readonly status: 'present'; readonly record: Uint8Array }
  /** Writes of the key are running (`mark`). */
  | { readonly status: 'in-doubt' }
  /** The key has a value of another type, which this library did not write and does not change. */
  | { readonly status: 'foreign' };

/**
 * `stored`: the record is stored, also when the request is repeated. `expired`: the lease existed, but `until` has passed;
 * the lease is removed and nothing is stored. `refused`: the lease no longer exists.
 */
export type FillReply = 'stored' | 'expired' | 'refused';

/** The state of tags before a load. */
export interface TagState {
  /** In the order of the requested keys. Null for a nonce that writes have marked (`mark`). */
  readonly nonces: readonly (string | null)[];
  /** The nonces among them, by their keys, whose last mark has ended: they must be removed before others are created. */
  readonly ended: readonly string[];
  /** The record of tag changes (tag-changes.ts); empty if it was not requested. */
  readonly tagChanges: Uint8Array;
}

/** Removes what an invalidation covers. It may run more than once. */
export type Removal = (store: Pick<EntryStore, 'remove' | 'removeNonces'>) => Promise<unknown>;

/**
 * The store of entries and nonces. Every verb is atomic, uses one cluster slot, can be repeated safely, and rejects with a
 * StoreUnavailableError at the end of its timeout at the latest. Timeouts are in ms. Keys are complete store keys
 * (keys/store-keys.ts).
 *
 * Absence means refusal: a record or a nonce that no longer exists, for whatever reason, can only cost a cached value.
 *
 * @see G1, G7
 */
export interface EntryStore {
  /**
   * Reads a record and nonces. All reads of one tick share a round trip.
   * @param known the token of a record that the caller has: if the key still has that record, it is not sent again
   */
  read(key: string, nonceKeys: readonly string[], timeout?: number, known?: string): Promise<Snapshot>;
  /** The store's clock now, or more, in ms since the epoch. @param key decides which server is asked */
  time(key: string, timeout?: number): Promise<number>;
  /** Reads nonces only. */
  nonces(nonceKeys: readonly string[], timeout?: number): Promise<readonly (string | null)[]>;
  /**
   * Stores a lease of `token` at `key`, unless the key has another lease or a value. A value is replaced if its token is
   * `replaces`; any record is replaced if `replaces` is `'*'`; bytes that are not a record of this wire version are always
   * replaced. A repeated request with the same token is granted again.
   *
   * @param keeps `value`: a refreshable value whose token is `replaces` is not replaced but stays readable, and gets the
   * lease; if `replaces` is `'*'`, any value does, and another lease of it ends. Its record lives as long as the lease at
   * least. `back-off`: the same, but within the time given to `release` the value is `present`
   */
  lease(
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
    timeout?: number,
    keeps?: Keeps,
  ): Promise<LeaseReply>;
  /** Sets the end of the lease to `leaseMs` from now. Returns false if the lease no longer exists. */
  extend(key: string, token: string, leaseMs: number): Promise<boolean>;
  /**
   * Replaces the lease with the record and wakes the waiters. The record expires at `until` (ms since the epoch, by the
   * store's clock), even if the request arrives late. A lease beneath a mark of the same token (`mark`) is replaced together
   * with the mark, unless the key has marks of others, too.
   * @param announces true: the memories of other processes are told that the record has changed @default false
   */
  fill(
    key: string,
    token: string,
    record: Uint8Array,
    until: number,
    announces?: boolean,
  ): Promise<FillReply>;
  /**
   * A caller has read the idle value whose token is `token`: its record lives for its idle time from now, to its end at most.
   * It never lives shorter for that. Any other record stays as it is. No message is published.
   */
  touch(key: string, token: string): Promise<void>;
  /**
   * Removes the lease and wakes the waiters. A refreshable value that has the lease stays.
   * @param retryAfterMs how long nobody should load a refreshable value again; 0: it is not written
   * @returns false if the lease no longer exists
   */
  release(key: string, token: string, retryAfterMs?: number, timeout?: number): Promise<boolean>;
  /**
   * Removes values and leases, and wakes the waiters. Marks stay, and what stood before them does not stand again.
   * @param mark the token of a mark that is removed, too
   */
  remove(keys: readonly string[], mark?: string): Promise<void>;
  /**
   * Marks keys, or nonces, as in doubt: until the mark is removed, or has ended, no value is read, stored or created there, and
   * leases are refused. A value or a nonce that stands there is kept, and stands again after `unmark`. A lease of another token
   * is lost: its load cannot end it under the mark. A repeated request moves the end of the mark. Each token has a mark of its
   * own.
   */
  mark(kind: MarkedKind, keys: readonly string[], token: string, ms: number): Promise<void>;
  /**
   * Removes the marks of `token`. Without marks of others, what stood before stands again, unless one of them has ended by
   * itself, or the key was removed meanwhile.
   */
  unmark(kind: MarkedKind, keys: readonly string[], token: string): Promise<void>;
  /**
   * Reads nonces, creates the missing ones with the value `fresh`, and extends the life of each to at least `ttlMs`. With
   * `tagChangesKey` it does the same for the record of tag changes (tag-changes.ts), whose initial value is `fresh` and
   * zeros.
   */
  getOrCreateNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string | undefined,
    fresh: string,
    ttlMs: number,
    timeout?: number,
  ): Promise<TagState>;
  /**
   * Removes nonces, so that every entry that has them is a miss. In the same step, writes `fresh` to the buckets in the
   * record of tag changes, if the record exists. Marks stay, and what stood before them does not stand again.
   * @param mark the token of a mark that is removed, too
   */
  removeNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
    mark?: string,
  ): Promise<void>;
  /**
   * Runs a removal, and waits until `count` replicas have it, for at most `timeout` ms.
   *
   * @param keys those that the removal removes
   * @returns how many replicas have it; of several servers, the least. Undefined if the store has no replicas: nothing is run
   */
  replicated(
    removal: Removal,
    keys: readonly string[],
    count: number,
    timeout: number,
  ): Promise<number | undefined>;
}
