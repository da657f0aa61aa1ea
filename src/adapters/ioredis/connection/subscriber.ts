import type { Timer } from '../../../core/ports/clock.js';
import { afterPendingReads, receivedBytesCounter } from '../commands/circuit-breaker.js';
import type { RedisClient } from './client-types.js';
import { connect, endConnection, watch } from './watch-client.js';
import { retryDelay, type ConnectionSettings } from './client-options.js';

export interface SubscriberEvents {
  message(payload: string): void;
  /** Messages are received from now on. Earlier ones are lost. */
  subscribed(): void;
  error(error: Error): void;
}

/**
 * The time between two PINGs. A connection that sends nothing within it is replaced: a half-open one looks ready
 * forever.
 */
const PING_INTERVAL_MS = 5_000;

/**
 * Subscribes to one channel, on a connection of its own. Every connection is a new client that subscribes when it is
 * ready. The state of the previous client is not reused, so that a client never looks subscribed without being so.
 */
export class Subscriber {
  readonly #create: () => RedisClient | undefined;
  readonly #channel: string;
  readonly #settings: ConnectionSettings;
  readonly #events: SubscriberEvents;
  #client: RedisClient | undefined;
  #retry: Timer | undefined;
  #check: Timer | undefined;
  #attempts = 0;
  #isSubscribed = false;
  #closed = false;

  /** @param create returns a client that is not connected and does not reconnect; undefined if no node is known yet */
  constructor(
    create: () => RedisClient | undefined,
    channel: string,
    settings: ConnectionSettings,
    events: SubscriberEvents,
  ) {
    this.#create = create;
    this.#channel = channel;
    this.#settings = settings;
    this.#events = events;
  }

  /** True while messages are received, as far as it is known. */
  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  open(): void {
    this.#retry = undefined;
    const client = this.#create();
    if (client === undefined) return this.#scheduleRetry();
    this.#client = client;
    watch(
      client,
      this.#settings,
      {
        ready: () => this.#subscribe(client),
        disconnected: (error) => {
          if (!this.#closed) this.#events.error(error);
        },
        error: (error) => {
          if (!this.#closed) this.#events.error(error);
        },
      },
      () => endConnection(client),
      () => true,
    );
    client.on('end', () => {
      if (this.#client === client) this.#scheduleRetry();
    });
    client.on('message', (_channel: string, payload: string) => this.#events.message(payload));
    connect(client);
  }

  /** Makes the next connection attempt now. Called when the server has accepted the connection for commands. */
  retryNow(): void {
    if (this.#retry === undefined) return;
    this.#retry.cancel();
    this.open();
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#check?.cancel();
    if (this.#client !== undefined) endConnection(this.#client);
  }

  #scheduleRetry(): void {
    this.#isSubscribed = false;
    this.#check?.cancel();
    if (this.#closed) return;
    this.#attempts += 1;
    this.#retry = this.#settings.clock.after(retryDelay(this.#settings.clock, this.#attempts), () =>
      this.open(),
    );
  }

  #subscribe(client: RedisClient): void {
    client.subscribe(this.#channel).then(
      () => {
        if (this.#closed || this.#client !== client) return;
        this.#attempts = 0;
        this.#isSubscribed = true;
        this.#events.subscribed();
      },
      (error: Error) => {
        if (this.#closed) return;
        this.#events.error(error);
        endConnection(client);
      },
    );
    this.#checkLiveness(client);
  }

  #checkLiveness(client: RedisClient): void {
    const received = receivedBytesCounter(() => client);
    const check = (): void => {
      const before = received();
      client.ping().catch(() => {});
      this.#check?.cancel();
      this.#check = this.#settings.clock.after(PING_INTERVAL_MS, () => {
        afterPendingReads(() => {
          if (this.#closed || this.#client !== client || client.status !== 'ready') return;
          if (received() === before) endConnection(client);
          else check();
        });
      });
    };
    check();
  }
}
