import type { Timer } from '../../../core/ports/clock.js';
import { afterPendingReads, receivedBytesCounter } from '../commands/circuit-breaker.js';
import type { RedisClient } from './client-types.js';
import { connect, endConnection, watch } from './watch-client.js';
import { retryDelay, type ConnectionSettings } from './client-options.js';

export interface SubscriberEvents {
  message(payload: string): void;
  /** It listens now. What was published before is lost. */
  subscribed(): void;
  failed(error: Error): void;
}

/** Silence for so long after a PING, and the connection is given up: a half-open one looks ready for ever. */
const PING_EVERY = 5_000;

/**
 * Listens to one channel, on a connection of its own. Every connection is a new client that subscribes when it is
 * ready: nothing is taken over from the one before, so that it cannot look subscribed without being so.
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
  #subscribed = false;
  #closed = false;

  /** @param create a client that is not connected and does not reconnect; undefined if none can be made yet */
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

  /** What is published now is heard, as far as anybody can know. */
  get subscribed(): boolean {
    return this.#subscribed;
  }

  open(): void {
    this.#retry = undefined;
    const client = this.#create();
    if (client === undefined) return this.#again();
    this.#client = client;
    watch(
      client,
      this.#settings,
      {
        ready: () => this.#subscribe(client),
        lost: (error) => {
          if (!this.#closed) this.#events.failed(error);
        },
        error: (error) => {
          if (!this.#closed) this.#events.failed(error);
        },
      },
      () => endConnection(client),
      () => true,
    );
    client.on('end', () => {
      if (this.#client === client) this.#again();
    });
    client.on('message', (_channel: string, payload: string) => this.#events.message(payload));
    connect(client);
  }

  /** The server answers: there is no need to wait for the next attempt. */
  hurry(): void {
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

  #again(): void {
    this.#subscribed = false;
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
        this.#subscribed = true;
        this.#events.subscribed();
      },
      (error: Error) => {
        if (this.#closed) return;
        this.#events.failed(error);
        endConnection(client);
      },
    );
    this.#expectLife(client);
  }

  #expectLife(client: RedisClient): void {
    const received = receivedBytesCounter(() => client);
    const check = (): void => {
      const before = received();
      client.ping().catch(() => {});
      this.#check?.cancel();
      this.#check = this.#settings.clock.after(PING_EVERY, () => {
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
