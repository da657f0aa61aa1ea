import { CircuitBreaker, receivedBytesCounter, type BreakerSettings } from '../commands/circuit-breaker.js';
import type { RedisClient } from './client-types.js';
import { connect, cutConnection, endConnection, watch } from './watch-client.js';
import type { ConnectionEvents } from './watch-client.js';
import type { ConnectionSettings } from './client-options.js';
import { SentinelWatch } from './sentinel-watch.js';
import type { Master, Topology } from './topology.js';
import { WriteCoalescer } from '../commands/write-coalescer.js';

/**
 * The minimum time between two reconnects because of a READONLY reply. Behind a Sentinel, a load balancer or a host
 * name, a new connection finds the new master after a failover. Not for every write, because a replica still serves
 * reads.
 */
const MASTER_LOOKUP_INTERVAL_MS = 10_000;

/** One server, at its address or behind Sentinels. */
export class SingleServer implements Topology {
  readonly client: RedisClient;
  readonly where: string;
  readonly keyPrefix: string;
  readonly slotOf = undefined;
  readonly #breaker: CircuitBreaker;
  readonly #cork: WriteCoalescer;
  #lastMasterLookup = Number.NEGATIVE_INFINITY;
  readonly #unwatch: () => void;
  readonly #sentinels: SentinelWatch;
  #closed = false;

  constructor(
    client: RedisClient,
    { where, keyPrefix }: { readonly where: string; readonly keyPrefix: string },
    settings: ConnectionSettings & BreakerSettings,
    events: ConnectionEvents,
  ) {
    this.client = client;
    this.where = where;
    this.keyPrefix = keyPrefix;
    this.#cork = new WriteCoalescer(() => (client.stream === undefined ? [] : [client.stream]));
    this.#breaker = new CircuitBreaker(
      {
        where,
        isReady: () => client.status === 'ready',
        bytesReceived: receivedBytesCounter(() => client),
        probe: () => client.ping(),
        reconnect: () => cutConnection(client),
        onReadOnly: () => {
          const now = settings.clock.now();
          if (now - this.#lastMasterLookup < MASTER_LOOKUP_INTERVAL_MS) return;
          this.#lastMasterLookup = now;
          cutConnection(client);
        },
      },
      settings,
    );
    this.#sentinels = new SentinelWatch(client, settings, () => cutConnection(client));
    this.#unwatch = watch(
      client,
      settings,
      {
        ready: () => {
          this.#breaker.onReady();
          events.ready();
        },
        disconnected: (error) => {
          this.#breaker.onDisconnect(error);
          events.disconnected(error);
        },
        error: (error) => events.error?.(error),
      },
      () => cutConnection(client),
      () => this.#closed,
    );
  }

  get isUsable(): boolean {
    return this.#breaker.isClosed;
  }

  breakerFor(): CircuitBreaker {
    return this.#breaker;
  }

  masterOf(): RedisClient {
    return this.client;
  }

  mastersOf(): readonly RedisClient[] {
    return [this.client];
  }

  async masters(): Promise<readonly Master[]> {
    return [{ client: this.client, breaker: this.#breaker }];
  }

  corkWrites(): void {
    this.#cork.cork();
  }

  open(): void {
    connect(this.client);
    this.#sentinels.open();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    this.#sentinels.close();
    this.#breaker.shutdown();
    endConnection(this.client);
  }
}
