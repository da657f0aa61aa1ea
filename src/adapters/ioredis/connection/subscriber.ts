import type { Timer } from '../../../core/ports/clock.js';
import { afterPendingReads, receivedBytesCounter } from '../commands/circuit-breaker.js';
import type { RedisClient } from './client-types.js';
import { connect, endConnection, watch } from './watch-client.js';
import { retryDelay, type ConnectionSettings } from './client-options.js';

/** What is received, and how. */
export interface Subscription {
  /** Adds the listeners of a new client. */
  listen(client: RedisClient): void;
  /** Subscribes on a client that is ready. */
  subscribe(client: RedisClient): Promise<unknown>;
}

export interface SubscriberEvents {
  /** Messages are received from now on. Earlier ones are lost. */
  subscribed(): void;
  /** No messages are received from now on. */
  unsubscribed?(): void;
  /** All messages from before `time`, by this process' clock, have been received: a PING of then was answered. */
  confirmed?(time: number): void;
  error(error: Error): void;
}

/** The time between two PINGs. */
const PING_INTERVAL_MS = 5_000;
/**
 * After how many unanswered PINGs a connection is replaced: a half-open one looks ready forever. With short intervals more
 * than one, because a server may be busy.
 */
const MAX_SILENCE_MS = 1_500;

/**
 * Receives messages on a connection of its own. Every connection is a new client that subscribes when it is
 * ready. The state of the previous client is not reused, so that a client never looks subscribed without being so.
 */
export class Subscriber {
  readonly #create: () => RedisClient | undefined;
  readonly #subscription: Subscription;
  readonly #settings: ConnectionSettings;
  readonly #events: SubscriberEvents;
  #client: RedisClient | undefined;
  #retry: Timer | undefined;
  #check: Timer | undefined;
  #attempts = 0;
  #isSubscribed = false;
  #closed = false;
  readonly #pingInterval: number;

  /** @param create returns a client that is not connected and does not reconnect; undefined if no node is known yet */
  constructor(
    create: () => RedisClient | undefined,
    subscription: Subscription,
    settings: ConnectionSettings,
    events: SubscriberEvents,
    pingInterval = PING_INTERVAL_MS,
  ) {
    this.#create = create;
    this.#subscription = subscription;
    this.#settings = settings;
    this.#events = events;
    this.#pingInterval = pingInterval;
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
    this.#subscription.listen(client);
    connect(client);
  }

  /** Makes the next connection attempt now. Called when the server has accepted the connection for commands. */
  retryNow(): void {
    if (this.#retry === undefined) return;
    this.#retry.cancel();
    this.open();
  }

  /** Replaces the present connection by a new one. */
  reconnect(): void {
    if (this.#client !== undefined) endConnection(this.#client);
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#check?.cancel();
    if (this.#client !== undefined) endConnection(this.#client);
  }

  #scheduleRetry(): void {
    this.#isSubscribed = false;
    this.#events.unsubscribed?.();
    this.#check?.cancel();
    if (this.#closed) return;
    this.#attempts += 1;
    this.#retry = this.#settings.clock.after(retryDelay(this.#settings.clock, this.#attempts), () =>
      this.open(),
    );
  }

  #subscribe(client: RedisClient): void {
    this.#subscription.subscribe(client).then(
      () => {
        if (this.#closed || this.#client !== client) return;
        this.#attempts = 0;
        this.#isSubscribed = true;
        this.#events.subscribed();
        if (this.#events.confirmed !== undefined) this.#ping(client);
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
    const maxSilentChecks = Math.max(1, Math.floor(MAX_SILENCE_MS / this.#pingInterval));
    let silentChecks = 0;
    const check = (): void => {
      const before = received();
      this.#ping(client);
      this.#check?.cancel();
      this.#check = this.#settings.clock.after(this.#pingInterval, () => {
        afterPendingReads(() => {
          if (this.#closed || this.#client !== client || client.status !== 'ready') return;
          silentChecks = received() === before ? silentChecks + 1 : 0;
          if (silentChecks >= maxSilentChecks) endConnection(client);
          else check();
        });
      });
    };
    check();
  }

  #ping(client: RedisClient): void {
    const sentAt = this.#settings.clock.now();
    client.ping().then(
      () => {
        // Before the subscription an answer confirms nothing.
        if (this.#isSubscribed && this.#client === client) this.#events.confirmed?.(sentAt);
      },
      () => {},
    );
  }
}
