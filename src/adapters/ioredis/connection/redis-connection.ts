import type { ChangeSubscription } from '../../../core/ports/change-feed.js';
import type { Clock } from '../../../core/ports/clock.js';
import { ChangeFeed } from '../changes/change-feed.js';
import type { CircuitBreaker } from '../commands/circuit-breaker.js';
import type { RedisClient } from './client-types.js';
import { ClusterTopology } from './cluster.js';
import { clusterOptions, connectionOptions, type Role } from './client-options.js';
import type { ConnectionEvents } from './watch-client.js';
import { ReadinessCheck } from '../readiness/readiness-check.js';
import { EntryReader } from '../entries/entry-reader.js';
import { ScriptRunner } from '../commands/script.js';
import type { Topology } from './topology.js';
import { SingleServer } from './single-server.js';
import { Subscriber } from './subscriber.js';
import type { Target } from './target.js';
import { WakeupChannels } from './wakeup-channels.js';

export interface ConnectionTargetSettings {
  readonly clock: Clock;
  readonly namespace: string;
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly connectTimeout: number;
  /** What must be reported about changes that others make; undefined: nothing. */
  readonly changes?: (ChangeSubscription & { readonly sender: string }) | undefined;
  /**
   * Called when the connection for commands is usable, each time.
   * @param again false the first time. After that, the server may be another one
   */
  readonly onReady?: ((again: boolean) => void) | undefined;
  /** Called when a breaker opens, with the reason, and when it closes, with undefined. */
  readonly changed: (breaker: CircuitBreaker, reason: Error | undefined) => void;
}

/** The connections to one target: one for commands, one for messages, and the check that both can be used. */
export class RedisConnection {
  readonly topology: Topology;
  readonly scripts: ScriptRunner;
  readonly #subscriber: Subscriber;
  readonly #wakeups: WakeupChannels;
  readonly #changes: ChangeFeed | undefined;
  readonly #readiness: ReadinessCheck;
  #hasBeenReady = false;

  /** @param wake called with every name that is published and listened for: a key without the prefix of the client */
  constructor(
    target: Target,
    role: Role,
    connectionSettings: ConnectionTargetSettings,
    wake: (name: string) => void,
  ) {
    const settings: ConnectionTargetSettings = {
      ...connectionSettings,
      changed: (breaker, reason) => {
        connectionSettings.changed(breaker, reason);
        this.#readiness.changed();
      },
    };
    const channel = channelOf(settings.namespace);
    this.topology = openTopology(target, role, settings, {
      ready: () => {
        const again = this.#hasBeenReady;
        this.#hasBeenReady = true;
        this.#readiness.changed();
        // guard: wakeups-follow-the-master
        if (again && this.#subscriber.isSubscribed) this.#subscriber.reconnect();
        else this.#subscriber.retryNow();
        this.#changes?.onReady(again);
        settings.onReady?.(again);
      },
      disconnected: (error) => this.#readiness.recordError(error),
      error: (error) => this.#readiness.recordError(error),
    });
    this.#wakeups = new WakeupChannels(channel, target.keyPrefix, settings.clock, wake);
    this.#subscriber = new Subscriber(
      () => this.#subscriberClient(target, settings),
      this.#wakeups,
      settings,
      {
        subscribed: () => this.#readiness.changed(),
        error: (error) => this.#readiness.recordError(error),
      },
    );
    this.#changes = this.#openChanges(target, settings);
    this.scripts = new ScriptRunner(this.topology);
    const isConnected = (): boolean => this.topology.isUsable;
    const isSubscribed = (): boolean => this.#subscriber.isSubscribed && this.#changes?.isConfirmed !== false;
    this.#readiness = new ReadinessCheck(
      target,
      { ...settings, channel, isConnected, isSubscribed },
      this.topology,
      this.scripts,
      new EntryReader(this.topology, settings),
    );
  }

  open(): void {
    this.topology.open();
    this.#subscriber.open();
    this.#changes?.open();
  }

  /** Receives the wakeups for a name until the returned function is called. */
  listen(name: string): () => void {
    return this.#wakeups.add(name);
  }

  /** @throws StoreSetupError */
  check(): Promise<void> {
    return this.#readiness.check();
  }

  async close(): Promise<void> {
    this.#readiness.close();
    this.#subscriber.close();
    this.#wakeups.close();
    this.#changes?.close();
    await this.topology.close();
  }

  #openChanges(target: Target, settings: ConnectionTargetSettings): ChangeFeed | undefined {
    const { changes } = settings;
    if (changes === undefined) return undefined;
    const { source, listener, sender } = changes;
    const confirmed = (time: number): void => {
      listener.confirmed(time);
      // guard: first-confirmation-ends-the-wait-for-the-l1
      this.#readiness.changed();
    };
    const subscription: ChangeSubscription = {
      source,
      listener: {
        changed: (keys) => listener.changed(keys),
        interrupted: () => listener.interrupted(),
        confirmed,
      },
    };
    const onError = (error: Error): void => this.#readiness.recordError(error);
    return new ChangeFeed(target, this.topology, subscription, sender, settings, onError);
  }

  #subscriberClient(target: Target, settings: ConnectionTargetSettings): RedisClient | undefined {
    const options = { ...connectionOptions('subscriber', settings), retryStrategy: null };
    if (target.kind === 'single') return target.template.duplicate(options);
    // Every node of a Cluster forwards messages to all others, so any node will do.
    const nodes = this.topology instanceof ClusterTopology ? this.topology.client.nodes('all') : [];
    return nodes[Math.floor(settings.clock.random() * nodes.length)]?.duplicate(options);
  }
}

/** Creates the connections for commands. They connect when `open()` is called. */
export function openTopology(
  target: Target,
  role: Role,
  settings: ConnectionTargetSettings,
  events: ConnectionEvents,
): Topology {
  if (target.kind === 'single') {
    const client = target.template.duplicate(connectionOptions(role, settings));
    return new SingleServer(client, target, settings, events);
  }
  const client = target.template.duplicate([], clusterOptions(role, target.nodeOptions, settings));
  return new ClusterTopology(client, target, settings, events);
}

/**
 * The channel that every process receives: subjects of limits that were refunded, blocked or reset. Before a colon and a
 * name, it is the channel for the processes that wait for that name (wakeup-channels.ts).
 */
export function channelOf(namespace: string): string {
  return `${namespace}:wake`;
}
