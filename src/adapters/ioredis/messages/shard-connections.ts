import type { Timer } from '../../../core/ports/clock.js';
import { slotOf } from '../commands/cluster-slot.js';
import { connectionOptions, type ConnectionSettings } from '../connection/client-options.js';
import type { ClusterClient, RedisClient } from '../connection/client-types.js';
import { nameOf } from '../connection/cluster.js';
import { MessageConnection } from './message-connection.js';
import type { Receiver } from './receiver.js';

/** How often the slot table is read again, if no server reports that a slot has moved. */
const SLOTS_INTERVAL_MS = 5_000;
/** The pause before the slot table is read because of such a report: the first one is followed by others. */
const MOVED_PAUSE_MS = 50;
/** The pause before it is read because of an error. */
const RETRY_PAUSE_MS = 500;

/**
 * The subscriptions of sharded channels: one connection for each master that has some. The messages of a sharded channel
 * pass through the master of its slot only. When the slot moves, its old master ends the subscription, and it is made again
 * on the new one.
 */
export class ShardConnections {
  readonly #client: ClusterClient;
  readonly #settings: ConnectionSettings;
  /** By address of the master. */
  readonly #connections = new Map<string, MessageConnection>();
  /** The master at which each is, if one is known. */
  readonly #masters = new Map<Receiver, string | undefined>();
  #timer: { readonly dueAt: number; readonly timer: Timer } | undefined;
  /** When the slot table was read, by the clock. */
  #slotsReadAt = -Infinity;
  #closed = false;

  constructor(client: ClusterClient, settings: ConnectionSettings) {
    this.#client = client;
    this.#settings = settings;
  }

  add(receiver: Receiver): void {
    this.#masters.set(receiver, undefined);
    this.follow();
  }

  remove(receiver: Receiver): void {
    const master = this.#masters.get(receiver);
    this.#masters.delete(receiver);
    if (master !== undefined) this.#connections.get(master)?.remove(receiver);
    this.#closeUnused();
  }

  /** Brings each subscription to the master that has its slot now. */
  follow(): void {
    if (this.#closed) return;
    for (const [receiver, master] of this.#masters) {
      const owner = this.#client.slots[slotOf(receiver.name)]?.[0];
      if (owner === undefined || owner === master) continue;
      const old = master === undefined ? undefined : this.#connections.get(master);
      // Its messages may have gone to the new master since the table was read before.
      // guard: gap-of-a-moved-channel-begins-with-the-old-table
      old?.interrupt(receiver, this.#slotsReadAt);
      old?.remove(receiver);
      this.#masters.set(receiver, owner);
      this.#connectionTo(owner).add(receiver);
    }
    for (const connection of this.#connections.values()) connection.subscribeMissing();
    this.#closeUnused();
    this.#schedule(SLOTS_INTERVAL_MS);
  }

  close(): void {
    this.#closed = true;
    this.#masters.clear();
    this.#closeUnused(true);
  }

  /** Reads the slot table after so many ms, or earlier. */
  #schedule(ms: number): void {
    const { clock } = this.#settings;
    const dueAt = clock.now() + ms;
    if (this.#closed || this.#masters.size === 0) return;
    if (this.#timer !== undefined && this.#timer.dueAt <= dueAt) return;
    this.#timer?.timer.cancel();
    this.#timer = { dueAt, timer: clock.after(ms, () => this.#readSlots()) };
  }

  #readSlots(): void {
    this.#timer = undefined;
    if (this.#client.status !== 'ready') return this.#schedule(RETRY_PAUSE_MS);
    const readAt = this.#settings.clock.now();
    this.#client.refreshSlotsCache((error) => {
      this.follow();
      if (!(error instanceof Error)) this.#slotsReadAt = readAt;
    });
  }

  #connectionTo(master: string): MessageConnection {
    const known = this.#connections.get(master);
    if (known !== undefined) return known;
    const create = (): RedisClient | undefined =>
      this.#client
        .nodes('master')
        .find((node) => nameOf(node) === master)
        ?.duplicate({ ...connectionOptions('messages', this.#settings), retryStrategy: null });
    const connection = new MessageConnection(create, `the Cluster's node ${master}`, this.#settings, {
      moved: (wasHere) => {
        // Any of them may have moved, and may have moved back when the table is read.
        // guard: ended-subscription-is-made-again
        if (wasHere) connection.interruptAll();
        this.#schedule(MOVED_PAUSE_MS);
      },
      failed: () => {
        // The master may be another one.
        this.#schedule(RETRY_PAUSE_MS);
      },
    });
    this.#connections.set(master, connection);
    connection.open();
    return connection;
  }

  #closeUnused(all = false): void {
    for (const [master, connection] of this.#connections) {
      if (!all && !connection.isUnused) continue;
      connection.close();
      this.#connections.delete(master);
    }
    if (this.#masters.size > 0) return;
    this.#timer?.timer.cancel();
    this.#timer = undefined;
  }
}
