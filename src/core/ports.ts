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
  /**
   * Something has become free, or has changed, at `name`, and others may wait for it: an entry's lease has ended, a
   * lock was given back (for a fair one: `<key>#<ticket>`, whose turn it is), a rate limit's subject got units
   * back. Hints only: may be lost.
   */
  wake(name: string): void;
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
  readonly rates: RateStore;
  readonly locks: LockStore;
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

/**
 * `stored`: the record is there, also if this very request came before. `expired`: the lease was there, and `until` has
 * passed; the lease is gone and nothing is stored. `refused`: the lease is not there any more.
 */
export type FillReply = 'stored' | 'expired' | 'refused';

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

export type Algorithm =
  | 'gcra'
  | 'sliding-log'
  | 'sliding-counter'
  | 'fixed-window'
  | 'token-bucket'
  | 'concurrency';

/** A rule as a store applies it: checked, in whole numbers. */
export interface RateRule {
  /** Whole key in the store. All rules of one request share the slot of its `subject`. */
  readonly key: string;
  readonly algorithm: Algorithm;
  /** Units in a window; for `concurrency` slots. At least 1: a rule of 0 never reaches a store. */
  readonly limit: number;
  /** The window in ms; for `concurrency` the life of a slot that nobody renews. */
  readonly perMs: number;
  /** Units that may be taken at once by `gcra` and `token-bucket`; the limit for the others. */
  readonly burst: number;
}

export interface RateRequest {
  /** Whole key of the subject: its block stands there, and it is the name of its wakes. */
  readonly subject: string;
  readonly rules: readonly RateRule[];
  /** Units to take, a whole number; 0 only looks. Never more than a rule's burst unless forced. */
  readonly cost: number;
  /** Names what is taken, so that it can be given back: the owner of slots and of entries in a log. */
  readonly token: string;
  /**
   * True: this request may come again (a reply was lost), and is then answered as the first time and taken once.
   * The store remembers it by its token for as long as the longest window, at most a minute.
   */
  readonly repeatable: boolean;
  /** True: the units are taken whatever rules and blocks say, so that less than nothing may remain. */
  readonly forced: boolean;
}

export interface RuleReading {
  /** There was room for the cost; at cost 0, for one unit. */
  readonly allowed: boolean;
  /** Units taken and still counting, after this request (rounded up). May exceed the burst when forced. */
  readonly used: number;
  /** Units that could be taken now, after this request, 0 or more. */
  readonly remaining: number;
  /** Until there is room for the same cost again (at cost 0, for one unit), in ms, rounded up; 0 if there is now. */
  readonly retryAfterMs: number;
  /** Until nothing that was taken counts any more, in ms, rounded up. */
  readonly resetMs: number;
}

export interface RateReply {
  /** The subject is blocked for so many ms; 0: it is not. Nothing is taken then, unless forced. */
  readonly blockedMs: number;
  /** As many as the request has rules. Units were taken only if all are allowed and there is no block. */
  readonly rules: readonly RuleReading[];
}

/**
 * What rate limits count. Every verb is atomic over all rules of its request, takes one round trip, reads the
 * store's own clock once, leaves no key without an end, and fails with a StoreUnavailableError.
 */
export interface RateStore {
  consume(request: RateRequest, budget?: number): Promise<RateReply>;
  /**
   * Gives units back: what `token` took first (slots, entries of a log), then any. Never below nothing taken.
   * With `quiet` the subject is woken only if a `concurrency` rule was full.
   */
  refund(
    request: {
      readonly subject: string;
      readonly rules: readonly RateRule[];
      readonly cost: number;
      readonly token: string;
      readonly quiet: boolean;
    },
    budget?: number,
  ): Promise<void>;
  /** Moves the end of the slots that `token` holds. False: at least one of the rules does not know it any more. */
  renew(rules: readonly RateRule[], token: string, budget?: number): Promise<boolean>;
  /** Refuses everything for this subject for `ms` from now; wakes it. */
  block(subject: string, ms: number, budget?: number): Promise<void>;
  /** Forgets the subject's block and what was counted under `keys`; wakes it. */
  reset(subject: string, keys: readonly string[], budget?: number): Promise<void>;
}

export interface LockRequest {
  /** Whole keys, sorted, each once. All are got or none. */
  readonly keys: readonly string[];
  readonly leaseMs: number;
  /** How many may hold a key at once; `Infinity`: any number of those who ask for as many (a read lock). 1: alone. */
  readonly permits: number;
  /**
   * Queues for a fair lock, under a name of the caller's that is the same at every attempt: only the first in the
   * queue is granted. One key only. Undefined: whoever comes first.
   */
  readonly ticket: string | undefined;
  /**
   * A ticket that does not ask again for so many ms loses its place, and so long an exclusive request that others
   * than one holder keep out keeps new ones of them out. 0: it leaves neither, and comes only when nobody queues.
   */
  readonly ticketMs: number;
}

export type LockReply =
  | { readonly status: 'granted'; readonly grant: LockGrant }
  /** Others hold it; as far as the store knows it is free in `forMs` at the latest, unless it is extended. */
  | { readonly status: 'held'; readonly forMs: number }
  /** Too few servers could be asked, or answered, to say either. Whatever was got is given back. */
  | { readonly status: 'unavailable'; readonly servers: readonly ServerAnswer[] };

/** What one server said to a request for a lock. */
export interface ServerAnswer {
  /** Without password. */
  readonly server: string;
  /** An error: it could not be asked, or did not answer in time (a StoreUnavailableError). */
  readonly answer: 'granted' | 'held' | Error;
}

/** A lock that was got. The time it is good for is its holder's affair (`locks.ts`). */
export interface LockGrant {
  /** Grows with every grant of the same key; undefined where there is no one server to say so. */
  readonly fencingToken: bigint | undefined;
  /** `lost`: it is certainly another's or gone. `unavailable`: nobody can tell now; it may be asked again. */
  extend(leaseMs: number): Promise<'extended' | 'lost' | 'unavailable'>;
  /** Gives it back and wakes who waits. @throws StoreUnavailableError if a majority could not be told */
  release(): Promise<void>;
}

/** Leases on names. Every verb ends within the deadline of a command, whatever the servers do. */
export interface LockStore {
  /** One server decides: fencing tokens, fair locks and more than one permit exist only then. */
  readonly single: boolean;
  /** Never rejects for the sake of a server. All attempts of one caller give the same request. */
  acquire(request: LockRequest, budget?: number): Promise<LockReply>;
  /** Leaves the queue of a fair lock, and takes back the wish of a writer to come before new readers. */
  abandon(request: LockRequest): Promise<void>;
}
