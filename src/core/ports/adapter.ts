import type { Clock } from './clock.js';
import type { EntryStore } from './entry-store.js';
import type { LockStore } from './lock-store.js';
import type { RateStore } from './rate-store.js';

/** What an adapter is given when a `Caching` opens it. */
export interface AdapterHost {
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
  open(host: AdapterHost): Backend;
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
