/** One entry and the nonces that decide whether it still counts, as of one moment. */
export interface Snapshot {
  /** The record's bytes (`entry.ts`), null where nothing stands. */
  readonly record: Uint8Array | null;
  /** In the order asked; null where the nonce is absent. */
  readonly nonces: readonly (string | null)[];
}

export type LeaseReply =
  /** The caller may load; `at` is the store's own clock in ms since the epoch. */
  | { readonly status: 'granted'; readonly at: number }
  /** Another loads; its lease ends in `forMs` unless it is extended. Its end will be woken. */
  | { readonly status: 'held'; readonly forMs: number; readonly at: number }
  /** A value stands there (not the one named by `replaces`). */
  | { readonly status: 'present'; readonly record: Uint8Array }
  /** Something that is not ours stands at this key (another type): it is left alone. */
  | { readonly status: 'foreign' };

/**
 * `stored`: the record is there, also if this very request came before. `expired`: the lease was there, and `until` has
 * passed; the lease is gone and nothing is stored. `refused`: the lease is not there any more.
 */
export type FillReply = 'stored' | 'expired' | 'refused';

export interface TagState {
  readonly nonces: readonly string[];
  /** The record of tag changes (`tag-changes.ts`); empty if it was not asked for. */
  readonly tagChanges: Uint8Array;
}

/**
 * The records and the nonces. Every verb is atomic, touches one slot, may be repeated without harm, and
 * fails with a StoreUnavailableError, no later than its deadline. Keys are whole (`key.ts`).
 *
 * Absence means refuse: a record or a nonce that is gone, for whatever reason, can only lose a cached value.
 */
export interface EntryStore {
  /** One round trip for all that is asked within one tick. `timeout`: at most this many ms. */
  read(key: string, nonceKeys: readonly string[], timeout?: number): Promise<Snapshot>;
  /** The nonces alone. */
  nonces(nonceKeys: readonly string[], timeout?: number): Promise<readonly (string | null)[]>;
  /**
   * Puts a lease of `token` at `key` unless another lease or a value stands there. A value is replaced if
   * its token is `replaces`, any record is replaced if `replaces` is `'*'`, and bytes that are no record of
   * this wire version always are. Asking again with the same token is granted again.
   */
  lease(
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
    timeout?: number,
  ): Promise<LeaseReply>;
  /** Moves the lease's end to `leaseMs` from now. False: the lease is not there any more. */
  extend(key: string, token: string, leaseMs: number): Promise<boolean>;
  /**
   * Puts the record in the place of the lease, until `until` by the store's own clock (ms since the epoch), and wakes
   * the waiters. However late the request arrives, the record never outlives that time.
   */
  fill(key: string, token: string, record: Uint8Array, until: number): Promise<FillReply>;
  /** Gives the lease back without a value and wakes those who wait. False: it is not there any more. */
  release(key: string, token: string): Promise<boolean>;
  /** Removes values and leases alike, and wakes those who wait. */
  remove(keys: readonly string[]): Promise<void>;
  /**
   * Reads nonces, sets those that are absent to `fresh`, and makes each live for `ttlMs` or longer. With
   * `tagChangesKey` it does the same for the record of tag changes (`tag-changes.ts`), which begins as `fresh` and zeros.
   */
  getOrCreateNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string | undefined,
    fresh: string,
    ttlMs: number,
    timeout?: number,
  ): Promise<TagState>;
  /**
   * Removes nonces, so that every entry that carries them is a miss, and in the same step writes `fresh` into the given
   * buckets of the record of tag changes, if it exists.
   */
  removeNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
  ): Promise<void>;
}
