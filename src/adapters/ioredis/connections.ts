import type { Clock, Timer } from '../../core/ports.js';
import { afterArrivals } from './after-arrivals.js';
import type { CommandClient, RedisClient } from './client.js';
import { withoutArguments } from './failures.js';

export interface ConnectionSettings {
  readonly clock: Clock;
  /** In ms: for the socket, and once more until the server has answered the handshake. */
  readonly connectTimeout: number;
  readonly namespace: string;
}

export type Role = 'commands' | 'subscriber' | 'locks';

const FIRST_RETRY = 50;
const LAST_RETRY = 1_000;

/**
 * What a connection of ours is like, whatever the options were that it is made from. ioredis' defaults repeat a
 * command whose reply was lost, keep commands for a server that is away, and wait without end.
 */
export function connectionOptions(role: Role, settings: ConnectionSettings): object {
  const { clock, connectTimeout, namespace } = settings;
  const retry = (times: number): number => retryDelay(clock, times);
  return {
    connectionName: `cachement:${namespace.replace(/[^!-~]/g, '_')}:${role}`,
    // Applied by ourselves, where keys are named.
    keyPrefix: '',
    // Pub/Sub and replies have one shape in both majors.
    protocol: 2,
    replyMapping: 'legacy',
    stringNumbers: false,
    // A command is written once or not at all; what is under way when a connection ends is rejected then.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    reconnectOnError: null,
    // A command of a batch waits for the whole batch.
    enableAutoPipelining: false,
    // Deadlines are ours: these would leave a connection behind whose replies nobody counts.
    commandTimeout: undefined,
    socketTimeout: undefined,
    blockingTimeout: undefined,
    connectTimeout,
    // A connection is ended by destroying its socket; this would only leave a timer behind.
    disconnectTimeout: 0,
    retryStrategy: retry,
    sentinelRetryStrategy: retry,
    sentinelCommandTimeout: connectTimeout,
    keepAlive: 10_000,
    noDelay: true,
    // It asks for INFO: only so does ioredis see a replica behind a Sentinel, and a server that is still loading.
    enableReadyCheck: true,
    maxLoadingRetryTime: 250,
    lazyConnect: true,
    autoResubscribe: false,
    // Reads from a replica may bring back what was invalidated.
    readOnly: false,
    role: 'master',
    monitor: false,
    disableClientInfo: true,
    showFriendlyErrorStack: false,
    scripts: undefined,
    himportFieldsets: undefined,
  };
}

/** Likewise for a Cluster; `nodes` are the options its nodes have so far. */
export function clusterOptions(role: Role, nodes: object, settings: ConnectionSettings): object {
  return {
    keyPrefix: '',
    enableOfflineQueue: false,
    enableAutoPipelining: false,
    enableReadyCheck: true,
    scaleReads: 'master',
    shardedSubscribers: false,
    lazyConnect: true,
    scripts: undefined,
    himportFieldsets: undefined,
    clusterRetryStrategy: (times: number) => retryDelay(settings.clock, times),
    // A node that is gone is asked for again when a command needs it, at the address its neighbours tell.
    clusterNodeRetryStrategy: null,
    // Would send again, to any node, what may have been done.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnMoved: 0,
    retryDelayOnTryAgain: 10,
    maxRedirections: 8,
    slotsRefreshTimeout: Math.ceil(settings.connectTimeout / 2),
    redisOptions: { ...nodes, ...connectionOptions(role, settings) },
  };
}

/** Jittered, from 50 ms to 1 s, for ever. */
export function retryDelay(clock: Clock, times: number): number {
  const longest = Math.min(FIRST_RETRY * 2 ** Math.min(times - 1, 10), LAST_RETRY);
  return Math.round(longest * (0.5 + clock.random() / 2));
}

export interface ConnectionEvents {
  ready(): void;
  /** It is gone, or could not be made; a new one is under way. */
  lost(error: Error): void;
  /** Whatever ioredis complains of: often repeated, sometimes only the beginning. */
  error?(error: Error): void;
}

/**
 * Watches a client for as long as it lives: no error goes unheard, a handshake that is never answered is cut,
 * and one that gave up tries again. `ended` says whether to let it rest.
 *
 * @returns ends what waits for its time
 */
export function watch(
  client: CommandClient,
  settings: ConnectionSettings,
  events: ConnectionEvents,
  cut: () => void,
  ended: () => boolean,
): () => void {
  const { clock, connectTimeout } = settings;
  let handshake: Timer | undefined;
  let retry: Timer | undefined;
  let last: Error | undefined;
  let attempts = 0;
  client.on('error', (error: Error) => {
    withoutArguments(error);
    last = error;
    events.error?.(error);
  });
  client.on('connect', () => {
    handshake?.cancel();
    handshake = clock.after(connectTimeout, () => {
      afterArrivals(() => {
        if (client.status !== 'connect') return;
        last = silence(connectTimeout);
        events.error?.(last);
        cut();
      });
    });
  });
  client.on('ready', () => {
    handshake?.cancel();
    attempts = 0;
    // An event of a moment ago: the connection may be gone again.
    if (client.status !== 'ready') return;
    last = undefined;
    events.ready();
  });
  client.on('close', () => {
    handshake?.cancel();
    events.lost(last ?? new Error('The connection was closed.'));
    last = undefined;
  });
  client.on('end', () => {
    handshake?.cancel();
    if (ended()) return;
    attempts += 1;
    retry = clock.after(retryDelay(clock, attempts), () => {
      if (!ended() && client.status === 'end') connect(client);
    });
  });
  return () => {
    handshake?.cancel();
    retry?.cancel();
  };
}

export function silence(ms: number): Error {
  return new Error(`It accepted the connection and then said nothing for ${ms} ms.`);
}

/** Begins to connect. What comes of it is told by events. */
export function connect(client: CommandClient): void {
  client.connect().catch(() => {});
}

/** Ends the present connection at once; its client makes a new one. */
export function cutConnection(client: RedisClient): void {
  client.stream?.destroy();
}

/**
 * Ends a client for good, without waiting for a server that may not answer. ioredis keeps a timer of a millisecond
 * for it: see `restOfConnections`.
 */
export function endConnection(client: RedisClient): void {
  client.disconnect();
  client.stream?.destroy();
}

/** Resolves when nothing is left of connections that were just ended. */
export function restOfConnections(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
