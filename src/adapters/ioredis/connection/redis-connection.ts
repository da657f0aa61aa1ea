import type { Clock } from '../../../core/ports/clock.js';
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

export interface ConnectionTargetSettings {
  readonly clock: Clock;
  readonly namespace: string;
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly connectTimeout: number;
  /** Told of every change: why commands are refused, or undefined when they are not any more. */
  readonly changed: (breaker: CircuitBreaker, reason: Error | undefined) => void;
}

/** Everything that leads to one target: a connection for commands, one for messages, and whether they can be used. */
export class RedisConnection {
  readonly topology: Topology;
  readonly scripts: ScriptRunner;
  readonly #subscriber: Subscriber;
  readonly #readiness: ReadinessCheck;

  /** @param wake told of what was published: a key, without prefix */
  constructor(target: Target, role: Role, given: ConnectionTargetSettings, wake: (name: string) => void) {
    const settings: ConnectionTargetSettings = {
      ...given,
      changed: (breaker, reason) => {
        given.changed(breaker, reason);
        this.#readiness.changed();
      },
    };
    const { clock } = settings;
    const channel = channelOf(settings.namespace);
    this.topology = openTopology(target, role, settings, {
      ready: () => {
        this.#readiness.changed();
        this.#subscriber.hurry();
      },
      lost: (error) => this.#readiness.recordError(error),
      error: (error) => this.#readiness.recordError(error),
    });
    this.#subscriber = new Subscriber(() => this.#listener(target, settings), channel, settings, {
      message: (payload) => {
        // A message of somebody else has another prefix, or is empty.
        if (payload !== '' && payload.startsWith(target.keyPrefix))
          wake(payload.slice(target.keyPrefix.length));
      },
      subscribed: () => this.#readiness.changed(),
      failed: (error) => this.#readiness.recordError(error),
    });
    this.scripts = new ScriptRunner(this.topology);
    const connected = (): boolean => this.topology.isUsable;
    const subscribed = (): boolean => this.#subscriber.subscribed;
    this.#readiness = new ReadinessCheck(
      target,
      { ...settings, clock, channel, connected, subscribed },
      this.topology,
      this.scripts,
      new EntryReader(this.topology, settings),
    );
  }

  open(): void {
    this.topology.open();
    this.#subscriber.open();
  }

  /** @throws StoreSetupError */
  check(): Promise<void> {
    return this.#readiness.check();
  }

  async close(): Promise<void> {
    this.#readiness.close();
    this.#subscriber.close();
    await this.topology.close();
  }

  #listener(target: Target, settings: ConnectionTargetSettings): RedisClient | undefined {
    const options = { ...connectionOptions('subscriber', settings), retryStrategy: null };
    if (target.kind === 'single') return target.template.duplicate(options);
    // Every node of a Cluster passes on what is published at any other.
    const nodes = this.topology instanceof ClusterTopology ? this.topology.client.nodes('all') : [];
    return nodes[Math.floor(settings.clock.random() * nodes.length)]?.duplicate(options);
  }
}

/** Connections for commands. They are made when `open()` is called. */
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

/** Where everything that becomes free, or changes, is told of. */
export function channelOf(namespace: string): string {
  return `${namespace}:wake`;
}
