import { Breaker, type BreakerSettings } from './breaker.js';
import type { RedisClient } from './client.js';
import { connect, cutConnection, endConnection, watch } from './connections.js';
import type { ConnectionEvents, ConnectionSettings } from './connections.js';
import { receivedBy } from './received-by.js';
import type { Servers } from './servers.js';
import { TickCork } from './tick-cork.js';

/**
 * Behind a Sentinel, a load balancer or a name, a new connection finds the new master after a failover. Not for
 * every write, because reads are still served.
 */
const LOOK_FOR_MASTER_EVERY = 10_000;

/** One server, found by its address or through Sentinels. */
export class SingleServer implements Servers {
  readonly client: RedisClient;
  readonly where: string;
  readonly slotOf = undefined;
  readonly #breaker: Breaker;
  readonly #cork: TickCork;
  #lookedForMaster = Number.NEGATIVE_INFINITY;
  readonly #unwatch: () => void;
  #closed = false;

  constructor(
    client: RedisClient,
    where: string,
    settings: ConnectionSettings & BreakerSettings,
    events: ConnectionEvents,
  ) {
    this.client = client;
    this.where = where;
    this.#cork = new TickCork(() => (client.stream === undefined ? [] : [client.stream]));
    this.#breaker = new Breaker(
      {
        where,
        ready: () => client.status === 'ready',
        received: receivedBy(() => client),
        probe: () => client.ping(),
        cut: () => cutConnection(client),
        demoted: () => {
          const now = settings.clock.now();
          if (now - this.#lookedForMaster < LOOK_FOR_MASTER_EVERY) return;
          this.#lookedForMaster = now;
          cutConnection(client);
        },
      },
      settings,
    );
    this.#unwatch = watch(
      client,
      settings,
      {
        ready: () => {
          this.#breaker.readied();
          events.ready();
        },
        lost: (error) => {
          this.#breaker.lost(error);
          events.lost(error);
        },
        error: (error) => events.error?.(error),
      },
      () => cutConnection(client),
      () => this.#closed,
    );
  }

  get usable(): boolean {
    return this.#breaker.closed;
  }

  breakerOf(): Breaker {
    return this.#breaker;
  }

  gather(): void {
    this.#cork.gather();
  }

  open(): void {
    connect(this.client);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    this.#breaker.end();
    endConnection(this.client);
  }
}
