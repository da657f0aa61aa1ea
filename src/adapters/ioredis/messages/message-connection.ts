import type { Timer } from '../../../core/ports/clock.js';
import { isDenied, replyCode } from '../commands/redis-errors.js';
import type { ConnectionSettings } from '../connection/client-options.js';
import type { RedisClient } from '../connection/client-types.js';
import { Subscriber } from '../connection/subscriber.js';
import { isUnknownCommand, pubsubError } from './pubsub-error.js';
import { END_OF, type Receiver } from './receiver.js';

/**
 * How often the server must answer a PING. A connection that is silent for two of these intervals is replaced, so a
 * half-open one is detected within three: 2.25 s.
 */
const HEARTBEAT_MS = 750;
/** The pause after a subscription that the server has refused, if it may accept it later. */
const RETRY_MS = 500;

export interface MessageConnectionEvents {
  /**
   * A channel is not on this node. @param wasHere it was, and the server has ended its subscription; which one is not said
   */
  moved(wasHere: boolean): void;
  /** The connection was lost, or an attempt has failed. */
  failed(): void;
}

/** One connection that receives messages, with any number of subscriptions. */
export class MessageConnection {
  readonly #where: string;
  readonly #settings: ConnectionSettings;
  readonly #events: MessageConnectionEvents;
  readonly #subscriber: Subscriber;
  readonly #receivers = new Map<string, Receiver>();
  /** The client that is ready. */
  #client: RedisClient | undefined;
  #confirmedAt = -Infinity;
  #retry: Timer | undefined;
  #closed = false;

  /**
   * @param create returns a new client; undefined if no node is known yet
   * @param where the address, for messages
   */
  constructor(
    create: () => RedisClient | undefined,
    where: string,
    settings: ConnectionSettings,
    events: MessageConnectionEvents,
  ) {
    this.#where = where;
    this.#settings = settings;
    this.#events = events;
    this.#subscriber = new Subscriber(
      create,
      { listen: (client) => this.#listen(client), subscribe: (client) => this.#subscribeAll(client) },
      settings,
      {
        subscribed: () => {},
        unsubscribed: () => this.#lose(),
        confirmed: (time) => (this.#confirmedAt = time),
        error: () => events.failed(),
      },
      HEARTBEAT_MS,
    );
  }

  get isUnused(): boolean {
    return this.#receivers.size === 0;
  }

  open(): void {
    this.#subscriber.open();
  }

  add(receiver: Receiver): void {
    this.#receivers.set(receiver.id, receiver);
    if (this.#client !== undefined) this.#subscribe(this.#client, receiver).catch(() => {});
  }

  remove(receiver: Receiver): void {
    this.#receivers.delete(receiver.id);
    // If it fails, messages without a receiver are ignored.
    this.#client?.[END_OF[receiver.command]](receiver.name).catch(() => {});
  }

  /** Messages may have been lost since the last confirmation. @param confirmedAt an earlier one */
  interrupt(receiver: Receiver, confirmedAt = Infinity): void {
    receiver.interrupt(Math.min(confirmedAt, this.#confirmedAt));
  }

  interruptAll(): void {
    for (const receiver of this.#receivers.values()) this.interrupt(receiver);
  }

  /** Subscribes to what is not received. */
  subscribeMissing(): void {
    const client = this.#client;
    if (client === undefined) return;
    for (const receiver of this.#receivers.values()) {
      if (!receiver.isReceiving && !receiver.isPending) this.#subscribe(client, receiver).catch(() => {});
    }
  }

  /** Makes the next connection attempt now, if one is due. */
  retryNow(): void {
    this.#subscriber.retryNow();
  }

  /** Replaces the connection. */
  reconnect(): void {
    if (this.#client === undefined) this.#subscriber.retryNow();
    else this.#subscriber.reconnect();
  }

  close(): void {
    this.#closed = true;
    this.#client = undefined;
    this.#retry?.cancel();
    this.#subscriber.close();
  }

  #listen(client: RedisClient): void {
    const receive = (id: string, channel: Buffer, payload: Buffer): void => {
      const receiver = this.#receivers.get(id);
      if (receiver === undefined || this.#client !== client) return;
      receiver.listener.message(channel.toString().slice(receiver.prefix.length), payload);
    };
    client.on('messageBuffer', (channel: Buffer, payload: Buffer) =>
      receive(`subscribe ${channel.toString()}`, channel, payload),
    );
    client.on('pmessageBuffer', (pattern: Buffer | string, channel: Buffer, payload: Buffer) =>
      receive(`psubscribe ${pattern.toString()}`, channel, payload),
    );
    client.on('smessageBuffer', (channel: Buffer, payload: Buffer) =>
      receive(`ssubscribe ${channel.toString()}`, channel, payload),
    );
    // Of ioredis, for an ended subscription and for one that was refused with MOVED.
    client.on('moved', () => {
      const isRefused = [...this.#receivers.values()].some(({ isPending }) => isPending);
      if (this.#client === client && !isRefused) this.#events.moved(true);
    });
  }

  #subscribeAll(client: RedisClient): Promise<unknown> {
    this.#client = client;
    this.#confirmedAt = -Infinity;
    return Promise.all([...this.#receivers.values()].map((receiver) => this.#subscribe(client, receiver)));
  }

  /** @throws the error of the connection */
  async #subscribe(client: RedisClient, receiver: Receiver): Promise<void> {
    const isCurrent = (): boolean => this.#client === client && this.#receivers.get(receiver.id) === receiver;
    const sentAt = this.#settings.clock.now();
    receiver.isPending = true;
    try {
      await client[receiver.command](receiver.name);
      if (isCurrent()) receiver.resume(sentAt);
    } catch (error) {
      if (replyCode(error) === undefined) throw error;
      if (isCurrent()) this.#onRefusal(receiver, error as Error);
    } finally {
      receiver.isPending = false;
    }
  }

  #onRefusal(receiver: Receiver, error: Error): void {
    // guard: one-refused-channel-does-not-end-the-others
    if (isUnknownCommand(error) || isDenied(error.message)) {
      this.#receivers.delete(receiver.id);
      receiver.listener.refused(pubsubError(receiver.command.toUpperCase(), this.#where, error));
      return;
    }
    if (replyCode(error) === 'MOVED') this.#events.moved(false);
    this.#retry ??= this.#settings.clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      this.subscribeMissing();
    });
  }

  #lose(): void {
    this.#client = undefined;
    if (!this.#closed) this.interruptAll();
  }
}
