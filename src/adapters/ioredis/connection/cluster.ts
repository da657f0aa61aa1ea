import type { Timer } from '../../../core/ports/clock.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { CircuitBreaker, receivedBytesCounter, type BreakerSettings } from '../commands/circuit-breaker.js';
import type { ClusterClient, KnownOptions, RedisClient } from './client-types.js';
import { connect, cutConnection, endConnection, watch } from './watch-client.js';
import type { ConnectionEvents } from './watch-client.js';
import type { ConnectionSettings } from './client-options.js';
import { withoutArguments } from '../commands/redis-errors.js';
import type { Master, Topology } from './topology.js';
import { SLOTS, slotOf } from '../commands/cluster-slot.js';
import { WriteCoalescer } from '../commands/write-coalescer.js';

interface Node {
  readonly breaker: CircuitBreaker;
  /** The key of its latest command. A probe reads this key, so that it reaches a new master of the slot, too. */
  key: string;
}

/**
 * A Cluster. Each master has a breaker, so that a master that is away affects only the calls for its slots. One more
 * breaker is for the whole Cluster: it is used while the slots are not known, and when all nodes are lost.
 */
export class ClusterTopology implements Topology {
  readonly client: ClusterClient;
  readonly where: string;
  readonly keyPrefix: string;
  readonly slotOf = slotOf;
  readonly #settings: ConnectionSettings & BreakerSettings;
  readonly #events: ConnectionEvents;
  readonly #clusterBreaker: CircuitBreaker;
  readonly #nodes = new Map<string, Node>();
  readonly #clients = new Map<string, RedisClient>();
  readonly #cork = new WriteCoalescer(() =>
    [...this.#clients.values()].flatMap(({ stream }) => (stream === undefined ? [] : [stream])),
  );
  readonly #unwatch: () => void;
  #closed = false;

  constructor(
    client: ClusterClient,
    { where, keyPrefix }: { readonly where: string; readonly keyPrefix: string },
    settings: ConnectionSettings & BreakerSettings,
    events: ConnectionEvents,
  ) {
    this.client = client;
    this.where = where;
    this.keyPrefix = keyPrefix;
    this.#settings = settings;
    this.#events = events;
    this.#clusterBreaker = new CircuitBreaker(
      {
        where,
        isReady: () => client.status === 'ready',
        bytesReceived: () => {
          let sum = 0;
          for (const node of this.#clients.values()) sum += node.stream?.bytesRead ?? 0;
          return sum;
        },
        probe: () => client.ping(),
        reconnect: () => client.disconnect(true),
        onReadOnly: () => {},
      },
      settings,
    );
    client.on('+node', (node: RedisClient) => this.#onNodeAdded(node));
    client.on('-node', (node: RedisClient) => {
      const name = nameOf(node);
      if (this.#clients.get(name) === node) this.#clients.delete(name);
    });
    client.on('node error', (error: Error) => {
      withoutArguments(error);
      events.error?.(error);
    });
    this.#unwatch = watch(
      client,
      settings,
      {
        ready: () => {
          void this.#connectMasters().then(() => {
            if (this.#closed || client.status !== 'ready') return;
            this.#clusterBreaker.onReady();
            events.ready();
          });
        },
        disconnected: (error) => {
          this.#clusterBreaker.onDisconnect(error);
          events.disconnected(error);
        },
        error: (error) => events.error?.(error),
      },
      () => client.disconnect(true),
      () => this.#closed,
    );
  }

  get isUsable(): boolean {
    return this.#clusterBreaker.isClosed;
  }

  breakerFor(key: string, slot = slotOf(key)): CircuitBreaker {
    if (!this.#clusterBreaker.isClosed) return this.#clusterBreaker;
    const name = this.client.slots[slot]?.[0];
    if (name === undefined) return this.#clusterBreaker;
    const node = this.#nodes.get(name) ?? this.#createNode(name, key);
    node.key = key;
    return node.breaker;
  }

  masterOf(slot: number): RedisClient | undefined {
    const node = this.#clients.get(this.client.slots[slot]?.[0] ?? '');
    return node?.status === 'ready' ? node : undefined;
  }

  mastersOf(keys: readonly string[]): readonly RedisClient[] | undefined {
    const names = [...new Set(keys.map((key) => this.client.slots[slotOf(key)]?.[0]))];
    const masters = names.flatMap((name) => this.#clients.get(name ?? '') ?? []);
    return masters.length === names.length ? masters : undefined;
  }

  async masters(): Promise<readonly Master[]> {
    // Before the slots are known there are no masters, which is not the same as masters without keys.
    await this.#clusterBreaker.run('CLUSTER SLOTS', async () => {});
    const masters = new Map<string, Master>();
    for (let slot = 0; slot < SLOTS; slot++) {
      const name = this.client.slots[slot]?.[0];
      if (name !== undefined && masters.has(name)) continue;
      // ioredis forgets a node that is away. Its keys exist all the same.
      const client = name === undefined ? undefined : this.#clients.get(name);
      // guard: every-slot-has-its-master
      if (name === undefined || client === undefined) {
        throw new StoreUnavailableError(
          `The master of slot ${slot} of ${this.where} is not connected, and its keys are not known.`,
          'refused',
        );
      }
      masters.set(name, { client, breaker: this.#nodes.get(name)?.breaker ?? this.#clusterBreaker });
    }
    return [...masters.values()];
  }

  corkWrites(): void {
    this.#cork.cork();
  }

  open(): void {
    connect(this.client);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    this.#clusterBreaker.shutdown();
    for (const { breaker } of this.#nodes.values()) breaker.shutdown();
    const nodes = this.client.nodes('all');
    this.client.disconnect();
    for (const node of nodes) endConnection(node);
    // ioredis reads the slot table on an inaccessible connection, which ends when the table has been read.
    if (Reflect.get(this.client, 'isRefreshing') === true) {
      await new Promise<void>((resolve) => this.client.refreshSlotsCache(() => resolve()));
    }
  }

  #createNode(name: string, key: string): Node {
    const client = (): RedisClient | undefined => this.#clients.get(name);
    const node: Node = {
      key,
      breaker: new CircuitBreaker(
        {
          where: `the Cluster's node ${name}`,
          isReady: () => this.client.status === 'ready',
          bytesReceived: receivedBytesCounter(client),
          // Reaches the new master of the slot, too, if there was a failover.
          probe: () => this.client.pttl(node.key),
          reconnect: () => {
            const silentClient = client();
            if (silentClient !== undefined) cutConnection(silentClient);
          },
          // A replica of a Cluster redirects writes.
          onReadOnly: () => {},
        },
        this.#settings,
        'closed',
      ),
    };
    // Forget the nodes that have left the Cluster.
    for (const [other, { breaker }] of this.#nodes) {
      if (breaker.isClosed && !this.#clients.has(other)) this.#nodes.delete(other);
    }
    this.#nodes.set(name, node);
    return node;
  }

  #onNodeAdded(node: RedisClient): void {
    const name = nameOf(node);
    this.#clients.set(name, node);
    watch(
      node,
      this.#settings,
      {
        ready: () => this.#nodes.get(name)?.breaker.onReady(),
        disconnected: (error) => this.#onNodeDisconnected(name, node, error),
        error: (error) => this.#events.error?.(error),
      },
      () => cutConnection(node),
      // The Cluster client decides whether a node is connected again.
      () => true,
    );
    // Connect the new node now: ioredis would connect it at the first command, and reject other commands until it is
    // ready. In the next tick, because ioredis queues the command that has just been redirected to the node; and only
    // if the Cluster is ready, because before that ioredis relies on nodes that do not connect yet.
    process.nextTick(() => {
      if (this.client.status === 'ready' && this.client.nodes('master').includes(node)) {
        void connectNode(node);
      }
    });
  }

  /** Resolves when each master is connected or has failed, or at the deadline of a command. */
  async #connectMasters(): Promise<void> {
    let timer: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = this.#settings.clock.after(this.#settings.timeout, resolve);
    });
    await Promise.race([deadline, Promise.all(this.client.nodes('master').map(connectNode))]);
    timer?.cancel();
  }

  #onNodeDisconnected(name: string, client: RedisClient, error: Error): void {
    if (this.#clients.get(name) !== client) return;
    const node = this.#nodes.get(name);
    if (node === undefined) return;
    if (this.client.slots.some((owners) => owners?.[0] === name)) node.breaker.onDisconnect(error);
  }
}

/** Resolves when the node is connected, or its connection attempt has failed. */
function connectNode(node: RedisClient): Promise<void> {
  if (node.status === 'ready') return Promise.resolve();
  if (node.status === 'wait') return node.connect().catch(() => {});
  return new Promise((resolve) => {
    node.on('ready', resolve);
    node.on('close', resolve);
  });
}

/** Its address as in the slot table: `host:port`. */
export function nameOf({ options }: RedisClient): string {
  const { host, port } = options as KnownOptions;
  return `${host}:${port}`;
}
