/** A request for a lock. Every attempt of one caller passes the same object. */
export interface LockRequest {
  /** Complete store keys, sorted, without duplicates. All are acquired, or none. */
  readonly keys: readonly string[];
  readonly leaseMs: number;
  /** How many callers may hold a key at once. 1: exclusive. Infinity: shared with all requests that pass Infinity. */
  readonly permits: number;
  /**
   * The caller's name in the queue of a fair lock, the same at every attempt. Only the first in the queue is granted. For
   * one key only. Undefined: the lock is not fair.
   */
  readonly ticket: string | undefined;
  /**
   * How long, in ms, a waiter's queue ticket or a waiting writer's claim stays valid without a retry. 0: do not queue;
   * succeed only if nobody is queued.
   */
  readonly ticketMs: number;
}

/** The result of one attempt. */
export type LockReply =
  | { readonly status: 'granted'; readonly grant: LockGrant }
  /** Others hold the lock. It is free after `forMs` at the latest, unless a lease is extended. */
  | { readonly status: 'held'; readonly forMs: number }
  /** Too few servers answered to decide. Partial grants are released. */
  | { readonly status: 'unavailable'; readonly servers: readonly ServerAnswer[] };

/** The answer of one server to a request for a lock. */
export interface ServerAnswer {
  /** The address, without password. */
  readonly server: string;
  /** An Error if the server could not be reached or did not answer in time (a StoreUnavailableError). */
  readonly answer: 'granted' | 'held' | Error;
}

/** A granted lock. How long it is valid is computed by core/locks, not by the store. */
export interface LockGrant {
  /** Grows with every grant of the same key. Undefined if the locks are on several servers. @see G8 */
  readonly fencingToken: bigint | undefined;
  /** `lost`: the lock has another holder or no longer exists. `unavailable`: unknown; the caller may retry. */
  extend(leaseMs: number): Promise<'extended' | 'lost' | 'unavailable'>;
  /** Releases the lock and wakes the waiters. @throws StoreUnavailableError if a majority of servers did not confirm */
  release(): Promise<void>;
}

/** The store of locks. Every verb settles within the timeout of a command, even if no server answers. Timeouts are in ms. @see G8 */
export interface LockStore {
  /** True if one server decides. Fencing tokens, fair locks and more than one permit require it. */
  readonly hasSingleAuthority: boolean;
  /** Makes one attempt. Server failures are returned as `unavailable`, not thrown. */
  acquire(request: LockRequest, timeout?: number): Promise<LockReply>;
  /** Removes the caller's queue ticket of a fair lock, or its claim as a waiting writer. */
  abandon(request: LockRequest): Promise<void>;
}
