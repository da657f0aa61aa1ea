import type { ChangeSubscription } from './change-feed.js';
import type { Clock } from './clock.js';
import type { EntryStore } from './entry-store.js';
import type { LockStore } from './lock-store.js';
import type { MessageBus } from './message-bus.js';
import type { ClientSource } from './own-client.js';
import type { RateStore } from './rate-store.js';
import type { SessionStore } from './session-store.js';

/** What a `Caching` passes to an adapter when it opens it. */
export interface AdapterHost {
  /** The prefix of every key and channel of this `Caching`. An adapter uses no name without it. */
  readonly namespace: string;
  readonly clock: Clock;
  /** What this `Caching` must be told about changes that others make; undefined: nothing, it has no L1 that needs it. */
  readonly changes?: ChangeSubscription | undefined;
  /** True if this `Caching` must know with each entry that it reads how long that may be returned. @default false */
  readonly needsStoreTime?: boolean | undefined;
  /**
   * Notifies the calls that wait for `name`: the lease of an entry has ended, a lock was released (for a fair lock,
   * `<key>#<ticket>` with the ticket that is next), or units were refunded to the subject of a rate limit. A hint only: the
   * calls also poll, so a lost message costs time and nothing else. See `Backend.listen`.
   */
  wake(name: string): void;
  /** The store has stopped answering: calls now fail at once with a StoreUnavailableError. */
  degraded(reason: Error): void;
  /** The store answers again. */
  recovered(): void;
}

/** An adapter as the user passes it to `new Caching`. It opens no connection before `open`. */
export interface Adapter {
  readonly name: string;
  open(host: AdapterHost): Backend;
  /** @internal own clients on its servers, without opening it. Only of Redis */
  clients?(host: Pick<AdapterHost, 'namespace' | 'clock'>): ClientSource;
}

/** An open adapter: the stores of one `Caching`. */
export interface Backend {
  readonly entries: EntryStore;
  readonly rates: RateStore;
  readonly locks: LockStore;
  readonly sessions: SessionStore;
  readonly messages: MessageBus;
  /** @internal own clients on its servers. Only of Redis */
  readonly clients?: ClientSource | undefined;
  /**
   * Receives the wakeups for `name` until the returned function is called. `wake` is called with the name as soon as they are
   * received, because earlier ones may have been missed. Undefined: this backend passes on those for all names at any time.
   */
  readonly listen?: ((name: string) => () => void) | undefined;
  /** Resolves when the store can be used. @throws StoreSetupError as soon as the cause is known, with the fix */
  ready(): Promise<void>;
  /** Ends all timers, sockets and listeners of this backend. Idempotent. */
  close(): Promise<void>;
}
