import type { Clock } from '../../core/ports.js';
import type { Breaker } from './breaker.js';
import type { RedisClient } from './client.js';
import { ClusterServers } from './cluster-servers.js';
import { clusterOptions, connectionOptions, type ConnectionEvents, type Role } from './connections.js';
import { Keyspace } from './keyspace.js';
import { Readiness } from './readiness.js';
import { Reads } from './reads.js';
import { Scripts } from './scripts.js';
import type { Servers } from './servers.js';
import { SingleServer } from './single-server.js';
import { Subscriber } from './subscriber.js';
import type { Target } from './target.js';

export interface LinkSettings {
  readonly clock: Clock;
  readonly namespace: string;
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly connectTimeout: number;
  /** Told of every change: why commands are refused, or undefined when they are not any more. */
  readonly changed: (breaker: Breaker, reason: Error | undefined) => void;
}

/** Everything that leads to one target: a connection for commands, one for messages, and whether they can be used. */
export class Link {
  readonly servers: Servers;
  readonly keyspace: Keyspace;
  readonly reads: Reads;
  readonly scripts: Scripts;
  readonly #subscriber: Subscriber;
  readonly #readiness: Readiness;

  /** @param wake told of what was published: a key, without prefix */
  constructor(target: Target, role: Role, given: LinkSettings, wake: (name: string) => void) {
    const settings: LinkSettings = {
      ...given,
      changed: (breaker, reason) => {
        given.changed(breaker, reason);
        this.#readiness.changed();
      },
    };
    const { clock } = settings;
    const channel = channelOf(settings.namespace);
    this.servers = serversOf(target, role, settings, {
      ready: () => {
        this.#readiness.changed();
        this.#subscriber.hurry();
      },
      lost: (error) => this.#readiness.problem(error),
      error: (error) => this.#readiness.problem(error),
    });
    this.keyspace = new Keyspace(target.keyPrefix);
    this.#subscriber = new Subscriber(() => this.#listener(target, settings), channel, settings, {
      message: (payload) => {
        const key = this.keyspace.keyOf(payload);
        if (key !== undefined) wake(key);
      },
      subscribed: () => this.#readiness.changed(),
      failed: (error) => this.#readiness.problem(error),
    });
    this.reads = new Reads(this.servers, this.keyspace, settings);
    this.scripts = new Scripts(this.servers, this.keyspace);
    const connected = (): boolean => this.servers.usable;
    const subscribed = (): boolean => this.#subscriber.subscribed;
    this.#readiness = new Readiness(
      target,
      { ...settings, clock, channel, connected, subscribed },
      this.servers,
      this.scripts,
      this.reads,
    );
  }

  open(): void {
    this.servers.open();
    this.#subscriber.open();
  }

  /** @throws StoreSetupError */
  check(): Promise<void> {
    return this.#readiness.check();
  }

  async close(): Promise<void> {
    this.#readiness.close();
    this.#subscriber.close();
    await this.servers.close();
  }

  #listener(target: Target, settings: LinkSettings): RedisClient | undefined {
    const options = { ...connectionOptions('subscriber', settings), retryStrategy: null };
    if (target.kind === 'single') return target.template.duplicate(options);
    // Every node of a Cluster passes on what is published at any other.
    const nodes = this.servers instanceof ClusterServers ? this.servers.client.nodes('all') : [];
    return nodes[Math.floor(settings.clock.random() * nodes.length)]?.duplicate(options);
  }
}

/** Connections for commands. They are made when `open()` is called. */
export function serversOf(
  target: Target,
  role: Role,
  settings: LinkSettings,
  events: ConnectionEvents,
): Servers {
  if (target.kind === 'single') {
    const client = target.template.duplicate(connectionOptions(role, settings));
    return new SingleServer(client, target.where, settings, events);
  }
  const client = target.template.duplicate([], clusterOptions(role, target.nodeOptions, settings));
  return new ClusterServers(client, target.where, settings, events);
}

/** Where everything that becomes free, or changes, is told of. */
export function channelOf(namespace: string): string {
  return `${namespace}:wake`;
}
