import type { Backend, EntryStore, Host } from '../../core/ports.js';
import type { Breaker } from './breaker.js';
import type { RedisClient } from './client.js';
import { ClusterServers } from './cluster-servers.js';
import { clusterOptions, connectionOptions, restOfConnections } from './connections.js';
import { RedisEntryStore } from './entry-store.js';
import { Keyspace } from './keyspace.js';
import { Readiness } from './readiness.js';
import { Reads } from './reads.js';
import { Scripts } from './scripts.js';
import type { Servers } from './servers.js';
import { SingleServer } from './single-server.js';
import { Subscriber } from './subscriber.js';
import type { Target } from './target.js';

export interface BackendSettings {
  /** In ms. */
  readonly timeout: number;
  /** In ms. */
  readonly connectTimeout: number;
}

/** Everything of one `Caching` on Redis: the connections, and the ports that work on them. */
export function openBackend(
  target: Target,
  { timeout, connectTimeout }: BackendSettings,
  host: Host,
): Backend {
  const { namespace, clock } = host;
  const channel = `${namespace}:wake`;
  const open = new Set<Breaker>();
  const changed = (breaker: Breaker, reason: Error | undefined): void => {
    const degraded = open.size > 0;
    if (reason === undefined) open.delete(breaker);
    else open.add(breaker);
    if (!degraded && reason !== undefined) host.degraded(reason);
    else if (degraded && open.size === 0) host.recovered();
    readiness.changed();
  };
  const settings = { clock, namespace, timeout, connectTimeout, changed };
  const events = {
    ready: () => {
      readiness.changed();
      subscriber.hurry();
    },
    lost: (error: Error) => readiness.problem(error),
    error: (error: Error) => readiness.problem(error),
  };
  const servers: Servers =
    target.kind === 'cluster'
      ? new ClusterServers(
          target.template.duplicate([], clusterOptions(target.nodeOptions, settings)),
          target.where,
          settings,
          events,
        )
      : new SingleServer(
          target.template.duplicate(connectionOptions('commands', settings)),
          target.where,
          settings,
          events,
        );

  const listener = (): RedisClient | undefined => {
    const options = { ...connectionOptions('subscriber', settings), retryStrategy: null };
    if (target.kind === 'single') return target.template.duplicate(options);
    // Every node of a Cluster passes on what is published at any other.
    const nodes = servers instanceof ClusterServers ? servers.client.nodes('all') : [];
    return nodes[Math.floor(clock.random() * nodes.length)]?.duplicate(options);
  };
  const keyspace = new Keyspace(target.keyPrefix);
  const subscriber = new Subscriber(listener, channel, settings, {
    message: (payload) => {
      const key = keyspace.keyOf(payload);
      if (key !== undefined) host.wake(key);
    },
    subscribed: () => readiness.changed(),
    failed: (error) => readiness.problem(error),
  });

  const reads = new Reads(servers, keyspace, settings);
  const scripts = new Scripts(servers, keyspace);
  const connected = (): boolean => servers.usable;
  const subscribed = (): boolean => subscriber.subscribed;
  const readiness = new Readiness(
    target,
    { ...settings, channel, connected, subscribed },
    servers,
    scripts,
    reads,
  );
  const entries: EntryStore = new RedisEntryStore(reads, scripts, servers, channel);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    readiness.close();
    subscriber.close();
    await servers.close();
    await restOfConnections();
  };
  servers.open();
  subscriber.open();

  return {
    entries,
    ready: () => readiness.check(),
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}
