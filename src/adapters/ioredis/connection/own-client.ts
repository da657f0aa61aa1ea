import type { Clock, Timer } from '../../../core/ports/clock.js';
import type { ClientRole, ClientSource, OwnClient } from '../../../core/ports/own-client.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { replyCode, unavailable } from '../commands/redis-errors.js';
import { clusterOptions, connectionOptions, type ConnectionSettings } from './client-options.js';
import type { ClusterClient, RedisClient } from './client-types.js';
import type { Target } from './target.js';
import { connect, cutConnection, endConnection, waitForEndedConnections, watch } from './watch-client.js';

/** Own clients are duplicates of the template, as the connections of this adapter are. */
export function clientSource(target: Target, settings: ConnectionSettings): ClientSource {
  return {
    where: target.where,
    keyPrefix: target.keyPrefix,
    open: (role) => new RedisOwnClient(duplicate(target, role, settings), target.where, settings),
  };
}

/** A server that has become a replica: a new connection finds the master. 2: the command is then sent again. */
const reconnectOnReplica = (result: 1 | 2) => (error: Error) => /READONLY/.test(error.message) && result;

/** Work that outlasts an outage: commands wait for the server, and are sent again. */
const PATIENT = {
  maxRetriesPerRequest: null,
  enableOfflineQueue: true,
  autoResendUnfulfilledCommands: true,
  reconnectOnError: reconnectOnReplica(2),
  // Duplicates that others make of the client connect by themselves, and until they succeed.
  lazyConnect: false,
};

const PATIENT_CLUSTER = {
  lazyConnect: false,
  maxRedirections: 16,
  retryDelayOnFailover: 100,
  retryDelayOnClusterDown: 100,
};

function ownOptions(role: ClientRole): object {
  return role === 'workers' ? PATIENT : { reconnectOnError: reconnectOnReplica(1) };
}

function duplicate(target: Target, role: ClientRole, settings: ConnectionSettings): AnyClient {
  if (target.kind === 'single') {
    return target.template.duplicate({ ...connectionOptions(role, settings), ...ownOptions(role) });
  }
  // A Cluster connects its nodes one by one, and would refuse what is sent to one meanwhile. `run` has a deadline.
  const own = { ...ownOptions(role), enableOfflineQueue: true };
  const options = {
    ...clusterOptions(role, target.nodeOptions, settings),
    enableOfflineQueue: true,
    redisOptions: { ...target.nodeOptions, ...connectionOptions(role, settings), ...own },
  };
  return target.template.duplicate([], role === 'workers' ? { ...options, ...PATIENT_CLUSTER } : options);
}

type AnyClient = RedisClient | ClusterClient;

class RedisOwnClient implements OwnClient {
  readonly client: AnyClient;
  readonly #where: string;
  readonly #clock: Clock;
  readonly #unwatch: () => void;
  /** The clients that the other library has made of this one. They are ended with it, whatever that library does. */
  readonly #copies = new Set<AnyClient>();
  /** Calls that wait for the connection. */
  readonly #waiting = new Set<() => void>();
  #lastError: Error | undefined;
  #hasEnded = false;

  constructor(client: AnyClient, where: string, settings: ConnectionSettings) {
    this.client = client;
    this.#where = where;
    this.#clock = settings.clock;
    this.#unwatch = watch(
      client,
      settings,
      {
        ready: () => this.#wake(),
        disconnected: (error) => (this.#lastError = error),
        error: (error) => (this.#lastError = error),
      },
      () => (isCluster(client) ? client.disconnect(true) : cutConnection(client)),
      () => this.#hasEnded,
    );
    const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => AnyClient;
    Object.assign(client, { duplicate: (...args: unknown[]) => this.#keep(duplicate(...args)) });
    if (client.status === 'wait') connect(client);
  }

  get isReady(): boolean {
    return this.client.status === 'ready';
  }

  async run<T>(what: string, timeout: number, work: () => Promise<T>): Promise<T> {
    const deadline = this.#clock.now() + timeout;
    await this.#connected(what, timeout);
    const late = (): StoreUnavailableError =>
      new StoreUnavailableError(
        `${what} on ${this.#where} was not answered within ${timeout} ms.`,
        'unknown',
      );
    try {
      return await this.#within(deadline - this.#clock.now(), work(), late);
    } catch (error) {
      throw isOfRedis(error) ? unavailable(what, this.#where, error) : error;
    }
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#unwatch();
    this.#wake();
    // guard: copies-of-a-client-are-ended
    for (const client of [this.client, ...this.#copies]) endClient(client);
    await waitForEndedConnections();
  }

  #keep(copy: AnyClient): AnyClient {
    this.#copies.add(copy);
    copy.on('connecting', () => this.#copies.add(copy));
    copy.on('end', () => this.#copies.delete(copy));
    return copy;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #connected(what: string, timeout: number): Promise<void> {
    if (!this.isReady && !this.#hasEnded) {
      let wake = (): void => {};
      const connected = new Promise<void>((resolve) => (wake = resolve));
      this.#waiting.add(wake);
      const none = (): StoreUnavailableError => {
        const reason = this.#lastError === undefined ? '' : ` (${this.#lastError.message})`;
        return new StoreUnavailableError(
          `${what} was not sent to ${this.#where}: it could not be connected to within ${timeout} ms${reason}.`,
          'refused',
          { cause: this.#lastError },
        );
      };
      await this.#within(timeout, connected, none).finally(() => this.#waiting.delete(wake));
    }
    if (!this.#hasEnded) return;
    throw new StoreUnavailableError(
      `${what} was not sent to ${this.#where}: the client is closed.`,
      'refused',
    );
  }

  #within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
    let timer: Timer | undefined;
    const end = new Promise<never>((_resolve, reject) => {
      timer = this.#clock.after(Math.max(ms, 0), () => reject(late()));
    });
    return Promise.race([work, end]).finally(() => timer?.cancel());
  }
}

function endClient(client: AnyClient): void {
  const connections = isCluster(client) ? client.nodes('all') : [client];
  client.disconnect();
  for (const connection of connections) endConnection(connection);
  if (client.status !== 'reconnecting' && client.status !== 'end') return;
  // Between two attempts, ioredis keeps the commands that wait, and BullMQ calls the client ended. The end of one more attempt
  // rejects them.
  // guard: waiting-commands-are-rejected-at-the-end
  connect(client);
  client.disconnect();
}

function isCluster(client: AnyClient): client is ClusterClient {
  return client.isCluster;
}

/** Those that ioredis gives commands which the server has not answered. */
const OF_IOREDIS =
  /Connection is closed|enableOfflineQueue options is false|max retries|ClusterAllFailed|startup nodes|Cluster redirections/;

/** True for an error reply, or an error of the connection. Others are those of the work: a wrong option. */
function isOfRedis(error: unknown): boolean {
  return (
    replyCode(error) !== undefined ||
    (error instanceof Error && OF_IOREDIS.test(`${error.name} ${error.message}`))
  );
}
