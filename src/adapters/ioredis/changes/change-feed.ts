import type { ChangeSubscription } from '../../../core/ports/change-feed.js';
import type { Timer } from '../../../core/ports/clock.js';
import { connectionOptions, type ConnectionSettings } from '../connection/client-options.js';
import type { RedisClient } from '../connection/client-types.js';
import { ClusterTopology, nameOf } from '../connection/cluster.js';
import { Subscriber, type Subscription } from '../connection/subscriber.js';
import type { Target } from '../connection/target.js';
import type { Topology } from '../connection/topology.js';
import { bus } from './bus.js';
import { tracking } from './tracking.js';

/**
 * How often each server must answer a PING on the connection of the messages. Its answer shows that every message from
 * before the PING has arrived. The L1 is trusted for two of these intervals (`TRUST_MS` in core/l1/l1-cache.ts).
 */
const HEARTBEAT_MS = 500;

interface Link {
  readonly subscriber: Subscriber;
  /** All messages from before this time have arrived, by this process' clock. */
  confirmedAt: number;
}

/**
 * Reports the changes that other processes make, over one connection for each master: a message arrives on the connection
 * to the server that has executed the change, in order with its answers to PINGs.
 */
export class ChangeFeed {
  readonly #target: Target;
  readonly #topology: Topology;
  readonly #settings: ConnectionSettings;
  readonly #source: ChangeSubscription;
  readonly #subscription: Subscription;
  readonly #onError: (error: Error) => void;
  /** By address of the master. */
  readonly #links = new Map<string, Link>();
  #timer: Timer | undefined;
  #confirmedAt = -Infinity;
  #closed = false;

  constructor(
    target: Target,
    topology: Topology,
    source: ChangeSubscription,
    sender: string,
    settings: ConnectionSettings,
    onError: (error: Error) => void,
  ) {
    this.#target = target;
    this.#topology = topology;
    this.#source = source;
    this.#settings = settings;
    this.#onError = onError;
    const { namespace } = settings;
    const { keyPrefix } = topology;
    this.#subscription =
      source.source === 'bus'
        ? bus(namespace, keyPrefix, sender, source.listener)
        : tracking(namespace, keyPrefix, source.listener);
  }

  /** True once all masters have confirmed that nothing is missing. */
  get isConfirmed(): boolean {
    return this.#confirmedAt > -Infinity;
  }

  open(): void {
    this.#follow();
  }

  /** Called when the connection for commands is usable. @param again true: the server may be another one */
  onReady(again: boolean): void {
    if (again) for (const { subscriber } of this.#links.values()) subscriber.reconnect();
    this.#follow();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { subscriber } of this.#links.values()) subscriber.close();
    this.#source.listener.interrupted();
  }

  /** Keeps one connection for each master that there is now. */
  #follow(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    const masters = this.#masters();
    for (const [name, { subscriber }] of this.#links) {
      if (masters.has(name)) continue;
      subscriber.close();
      this.#links.delete(name);
    }
    for (const [name, template] of masters) if (!this.#links.has(name)) this.#connect(name, template);
    if (this.#target.kind === 'cluster') {
      this.#timer = this.#settings.clock.after(HEARTBEAT_MS, () => this.#follow());
    }
  }

  #masters(): Map<string, RedisClient> {
    const { kind, template } = this.#target;
    if (kind === 'single') return new Map([['', template]]);
    const nodes = this.#topology instanceof ClusterTopology ? this.#topology.client.nodes('master') : [];
    return new Map(nodes.map((node) => [nameOf(node), node]));
  }

  #connect(name: string, template: RedisClient): void {
    const { listener } = this.#source;
    const create = (): RedisClient =>
      template.duplicate({ ...connectionOptions('changes', this.#settings), retryStrategy: null });
    const lose = (): void => {
      link.confirmedAt = -Infinity;
      this.#confirmedAt = -Infinity;
      if (!this.#closed) listener.interrupted();
    };
    const subscriber = new Subscriber(
      create,
      this.#subscription,
      this.#settings,
      {
        // Entries that were read before it are not covered by messages.
        // guard: new-subscription-begins-with-nothing
        subscribed: lose,
        unsubscribed: lose,
        confirmed: (time) => {
          link.confirmedAt = time;
          this.#confirm();
        },
        error: this.#onError,
      },
      HEARTBEAT_MS,
    );
    const link: Link = { subscriber, confirmedAt: -Infinity };
    this.#links.set(name, link);
    subscriber.open();
  }

  #confirm(): void {
    // guard: all-masters-confirm
    const confirmedAt = Math.min(...[...this.#links.values()].map((link) => link.confirmedAt));
    if (confirmedAt <= this.#confirmedAt) return;
    this.#confirmedAt = confirmedAt;
    this.#source.listener.confirmed(confirmedAt);
  }
}
