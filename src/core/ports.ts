/**
 * What the engine asks of the outside: a clock, randomness, and a store. Adapters implement these; the
 * engine never sees a client, a connection or a script.
 */

/** Time and chance as a port, so that tests own both. */
export interface Clock {
  /** Monotonic milliseconds. Only differences mean something. */
  now(): number;
  /** Runs `task` once, `ms` milliseconds from now. Never keeps the process alive. */
  after(ms: number, task: () => void): Timer;
  /** A number in [0, 1). */
  random(): number;
}

export interface Timer {
  cancel(): void;
}

/** What an adapter is given when a `Caching` opens it. */
export interface Host {
  /** Prefix of every key and channel of this `Caching`: no adapter touches a name without it. */
  readonly namespace: string;
  readonly clock: Clock;
  /** Somebody filled, released or removed `key` while others waited for it. Hints only: may be lost. */
  wake(key: string): void;
  /** The store stopped answering: calls now fail at once with a StoreUnavailableError. */
  degraded(reason: Error): void;
  /** The store answers again. */
  recovered(): void;
}

/** An adapter as the user passes it: it costs nothing until a `Caching` opens it. */
export interface Adapter {
  readonly name: string;
  open(host: Host): Backend;
}

export interface Backend {
  readonly entries: EntryStore;
  /** Resolves when the store can be used; rejects, soon, with what is wrong and how to mend it. */
  ready(): Promise<void>;
  /** Ends every timer, socket and listener of this backend. Idempotent. */
  close(): Promise<void>;
}

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

export interface Minted {
  readonly nonces: readonly string[];
  /** The namespace's tag epochs (`tags.ts`); empty when not asked for. */
  readonly epochs: Uint8Array;
}

/**
 * The records and the nonces. Every verb is atomic, touches one slot, may be repeated without harm, and
 * fails with a StoreUnavailableError, no later than its deadline. Keys are whole (`key.ts`).
 *
 * Absence means refuse: a record or a nonce that is gone, for whatever reason, can only lose a cached value.
 */
export interface EntryStore {
  /** One round trip for all that is asked within one tick. `budget`: at most this many ms. */
  read(key: string, nonceKeys: readonly string[], budget?: number): Promise<Snapshot>;
  /** The nonces alone. */
  nonces(nonceKeys: readonly string[], budget?: number): Promise<readonly (string | null)[]>;
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
    budget?: number,
  ): Promise<LeaseReply>;
  /** Moves the lease's end to `leaseMs` from now. False: the lease is not there any more. */
  extend(key: string, token: string, leaseMs: number): Promise<boolean>;
  /** Puts the record in the lease's place and wakes those who wait. False: the lease is not there any more. */
  fill(key: string, token: string, record: Uint8Array, ttlMs: number): Promise<boolean>;
  /** Gives the lease back without a value and wakes those who wait. False: it is not there any more. */
  release(key: string, token: string): Promise<boolean>;
  /** Removes values and leases alike, and wakes those who wait. */
  remove(keys: readonly string[]): Promise<void>;
  /**
   * Reads nonces, gives `fresh` to those that are absent, and makes each live for `ttlMs` or longer. With
   * `epochsKey` it does the same for the epochs (see `tags.ts`), which begin as `fresh` and zeros.
   */
  mint(
    nonceKeys: readonly string[],
    epochsKey: string | undefined,
    fresh: string,
    ttlMs: number,
    budget?: number,
  ): Promise<Minted>;
  /**
   * Removes nonces, so that every entry that carries them is a miss, and writes `fresh` into the given
   * buckets of the epochs, if those exist, in the same step.
   */
  removeNonces(
    nonceKeys: readonly string[],
    epochsKey: string,
    buckets: readonly number[],
    fresh: string,
  ): Promise<void>;
}
