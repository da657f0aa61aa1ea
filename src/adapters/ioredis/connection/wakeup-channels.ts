import type { Clock, Timer } from '../../../core/ports/clock.js';
import type { RedisClient } from './client-types.js';
import type { Subscription } from './subscriber.js';

interface Awaited {
  /** The number of calls that wait for the name. */
  calls: number;
  /** Ends the subscription, some time after the last of them. */
  end: Timer | undefined;
}

/** How long a subscription outlives the last wait: a process that waits for a lock again and again subscribes once. */
const LINGER_MS = 1_000;

/**
 * The channels of wakeups. The end of a load, the release of a lock and that of a slot are published on a channel of their
 * own, `<channel>:<name>`, to which a process subscribes while one of its calls waits for that name. With one channel for all
 * names, every process would receive every message, most of them for nothing.
 *
 * A name may have ended between the answer that made a call wait and the subscription. So the name is woken as soon as its
 * messages are received, and the call asks once more.
 */
export class WakeupChannels implements Subscription {
  readonly #channel: string;
  readonly #keyPrefix: string;
  readonly #clock: Clock;
  readonly #wake: (name: string) => void;
  readonly #names = new Map<string, Awaited>();
  /** The latest client that was ready. */
  #client: RedisClient | undefined;

  /**
   * @param channel the channel for all, on which the payload is the name. Its names are woken, too
   * @param keyPrefix of the keys in Redis, and of names in messages
   * @param wake called with names without it
   */
  constructor(channel: string, keyPrefix: string, clock: Clock, wake: (name: string) => void) {
    this.#channel = channel;
    this.#keyPrefix = keyPrefix;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Receives the wakeups for the name until the returned function is called, and somewhat longer. */
  add(name: string): () => void {
    let awaited = this.#names.get(name);
    if (awaited === undefined) {
      awaited = { calls: 0, end: undefined };
      this.#names.set(name, awaited);
      // If the connection is lost, the next one subscribes.
      if (this.#client !== undefined) this.#subscribe(this.#client, [name]).catch(() => {});
    }
    awaited.calls += 1;
    awaited.end?.cancel();
    return () => this.#leave(name, awaited);
  }

  listen(client: RedisClient): void {
    client.on('message', (channel: string, payload: string) => {
      // Applications with other prefixes publish on the channel for all, and the self-test publishes an empty text there.
      const name = channel === this.#channel ? payload : channel.slice(this.#channel.length + 1);
      if (name !== '' && name.startsWith(this.#keyPrefix)) this.#wake(name.slice(this.#keyPrefix.length));
    });
  }

  async subscribe(client: RedisClient): Promise<void> {
    this.#client = client;
    // The right to unsubscribe is tried at once: without it, subscriptions would add up.
    await Promise.all([client.subscribe(this.#channel), client.unsubscribe(`${this.#channel}:ready`)]);
    // A user without the right to these channels still has the polls.
    if (this.#names.size > 0) this.#subscribe(client, [...this.#names.keys()]).catch(() => {});
  }

  close(): void {
    for (const { end } of this.#names.values()) end?.cancel();
    this.#names.clear();
    this.#client = undefined;
  }

  async #subscribe(client: RedisClient, names: readonly string[]): Promise<void> {
    await client.subscribe(...names.map((name) => this.#channelOf(name)));
    // guard: new-subscription-wakes
    for (const name of names) if (this.#names.has(name)) this.#wake(name);
  }

  #leave(name: string, awaited: Awaited): void {
    awaited.calls -= 1;
    // guard: subscription-ends-after-the-last-wait
    if (awaited.calls > 0 || this.#names.get(name) !== awaited) return;
    awaited.end = this.#clock.after(LINGER_MS, () => {
      this.#names.delete(name);
      // If it fails, the connection is lost.
      this.#client?.unsubscribe(this.#channelOf(name)).catch(() => {});
    });
  }

  #channelOf(name: string): string {
    return `${this.#channel}:${this.#keyPrefix}${name}`;
  }
}
