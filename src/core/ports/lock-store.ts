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
  readonly hasSingleAuthority: boolean;
  /** Never rejects for the sake of a server. All attempts of one caller give the same request. */
  acquire(request: LockRequest, timeout?: number): Promise<LockReply>;
  /** Leaves the queue of a fair lock, and takes back the wish of a writer to come before new readers. */
  abandon(request: LockRequest): Promise<void>;
}
