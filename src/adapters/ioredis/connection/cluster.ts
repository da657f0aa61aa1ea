import type { Timer } from '../../../core/ports/clock.js';
import { CircuitBreaker, receivedBytesCounter, type BreakerSettings } from '../commands/circuit-breaker.js';
import type { ClusterClient, KnownOptions, RedisClient } from './client-types.js';
import { connect, cutConnection, endConnection, watch } from './watch-client.js';
import type { ConnectionEvents } from './watch-client.js';
import type { ConnectionSettings } from './client-options.js';
import { withoutArguments } from '../commands/redis-errors.js';
import type { Topology } from './topology.js';
import { slotOf } from '../commands/cluster-slot.js';
import { WriteCoalescer } from '../commands/write-coalescer.js';

interface Node {
  readonly breaker: CircuitBreaker;
  /** A key that went there: whoever answers for it by now is who a probe must ask. */
  key: string;
}

/**
 * A Cluster. Each master has a breaker of its own, so that one that is away costs only the calls on its slots;
 * one more stands for the Cluster as a whole, until its slots are known and when all of its nodes are lost.
 */
export class ClusterTopology implements Topology {
  readonly client: ClusterClient;
  readonly where: string;
  readonly keyPrefix: string;
  readonly slotOf = slotOf;
  readonly #settings: ConnectionSettings & BreakerSettings;
  readonly #events: ConnectionEvents;
  readonly #whole: CircuitBreaker;
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
    this.#whole = new CircuitBreaker(
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
    client.on('+node', (node: RedisClient) => this.#added(node));
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
          void this.#masters().then(() => {
            if (this.#closed || client.status !== 'ready') return;
            this.#whole.onReady();
            events.ready();
          });
        },
        lost: (error) => {
          this.#whole.onDisconnect(error);
          events.lost(error);
        },
        error: (error) => events.error?.(error),
      },
      () => client.disconnect(true),
      () => this.#closed,
    );
  }

  get isUsable(): boolean {
    return this.#whole.isClosed;
  }

  breakerFor(key: string, slot = slotOf(key)): CircuitBreaker {
    if (!this.#whole.isClosed) return this.#whole;
    const name = this.client.slots[slot]?.[0];
    if (name === undefined) return this.#whole;
    const node = this.#nodes.get(name) ?? this.#node(name, key);
    node.key = key;
    return node.breaker;
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
    this.#whole.shutdown();
    for (const { breaker } of this.#nodes.values()) breaker.shutdown();
    const nodes = this.client.nodes('all');
    this.client.disconnect();
    for (const node of nodes) endConnection(node);
    // The table of slots is read on a connection that nobody else can end; it ends itself when that is done.
    if (Reflect.get(this.client, 'isRefreshing') === true) {
      await new Promise<void>((resolve) => this.client.refreshSlotsCache(() => resolve()));
    }
  }

  #node(name: string, key: string): Node {
    const client = (): RedisClient | undefined => this.#clients.get(name);
    const node: Node = {
      key,
      breaker: new CircuitBreaker(
        {
          where: `the Cluster's node ${name}`,
          isReady: () => this.client.status === 'ready',
          bytesReceived: receivedBytesCounter(client),
          // Finds the slot's new owner too, if it has another one by now.
          probe: () => this.client.pttl(node.key),
          reconnect: () => {
            const silent = client();
            if (silent !== undefined) cutConnection(silent);
          },
          // A replica of a Cluster redirects.
          onReadOnly: () => {},
        },
        this.#settings,
        'closed',
      ),
    };
    for (const [other, { breaker }] of this.#nodes) {
      if (breaker.isClosed && !this.#clients.has(other)) this.#nodes.delete(other);
    }
    this.#nodes.set(name, node);
    return node;
  }

  #added(node: RedisClient): void {
    const name = nameOf(node);
    this.#clients.set(name, node);
    watch(
      node,
      this.#settings,
      {
        ready: () => this.#nodes.get(name)?.breaker.onReady(),
        lost: (error) => this.#lost(name, node, error),
        error: (error) => this.#events.error?.(error),
      },
      () => cutConnection(node),
      // Whether a node is asked for again is the Cluster's business.
      () => true,
    );
    // A node that connects only when it is needed fails whatever else comes while it does. Not before whoever
    // just followed a redirection to it has sent his command: ioredis keeps that one. And not before the Cluster
    // is ready: until then ioredis counts on nodes that are not connecting yet.
    process.nextTick(() => {
      if (this.client.status === 'ready' && this.client.nodes('master').includes(node)) void connected(node);
    });
  }

  /** Resolves when every master is connected or cannot be, or has taken its time. */
  async #masters(): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#settings.clock.after(this.#settings.timeout, resolve);
    });
    await Promise.race([late, Promise.all(this.client.nodes('master').map(connected))]);
    timer?.cancel();
  }

  #lost(name: string, client: RedisClient, error: Error): void {
    if (this.#clients.get(name) !== client) return;
    const node = this.#nodes.get(name);
    if (node === undefined) return;
    if (this.client.slots.some((owners) => owners?.[0] === name)) node.breaker.onDisconnect(error);
  }
}

/** Resolves when the node is connected, or cannot be. */
function connected(node: RedisClient): Promise<void> {
  if (node.status === 'ready') return Promise.resolve();
  if (node.status === 'wait') return node.connect().catch(() => {});
  return new Promise((resolve) => {
    node.on('ready', resolve);
    node.on('close', resolve);
  });
}

function nameOf({ options }: RedisClient): string {
  const { host, port } = options as KnownOptions;
  return `${host}:${port}`;
}
