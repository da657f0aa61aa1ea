import type { Clock } from '../../../core/ports/clock.js';
import type { ClientRole } from '../../../core/ports/own-client.js';
import { jittered } from '../../../core/shared/backoff.js';

export interface ConnectionSettings {
  readonly clock: Clock;
  /** The deadline of the socket's connection, and once more that of the handshake, in ms. */
  readonly connectTimeout: number;
  readonly namespace: string;
}

export type Role =
  | 'commands'
  | 'subscriber'
  | 'changes'
  | 'locks'
  | 'replicated'
  | 'messages'
  | 'sentinel'
  | ClientRole;

const INITIAL_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

/**
 * The options of every connection of this adapter. They override those of the user's client, because the defaults of
 * ioredis send a command again whose reply was lost, queue commands while the server is away, and have no deadlines.
 */
export function connectionOptions(role: Role, settings: ConnectionSettings): object {
  const { clock, connectTimeout, namespace } = settings;
  const retry = (attempts: number): number => retryDelay(clock, attempts);
  return {
    connectionName: `cachement:${namespace.replace(/[^!-~]/g, '_')}:${role}`,
    // This adapter adds the prefix itself, where it builds keys.
    keyPrefix: '',
    // With RESP2, replies and messages are the same in ioredis 5 and 6.
    protocol: 2,
    replyMapping: 'legacy',
    stringNumbers: false,
    // A command is written once or not at all. If the connection ends before its reply, it is rejected.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    reconnectOnError: null,
    // Every command of a pipeline would wait for the whole pipeline.
    enableAutoPipelining: false,
    // The circuit breaker has the deadlines. These would reject commands, or end connections, behind its back.
    commandTimeout: undefined,
    socketTimeout: undefined,
    blockingTimeout: undefined,
    connectTimeout,
    // A connection is ended by destroying its socket. This would only leave a timer.
    disconnectTimeout: 0,
    retryStrategy: retry,
    sentinelRetryStrategy: retry,
    sentinelCommandTimeout: connectTimeout,
    keepAlive: 10_000,
    noDelay: true,
    // Sends INFO, by which ioredis detects a server that is still loading, and a replica behind a Sentinel.
    enableReadyCheck: true,
    maxLoadingRetryTime: 250,
    lazyConnect: true,
    autoResubscribe: false,
    // A replica may return entries that were invalidated on its master.
    readOnly: false,
    role: 'master',
    monitor: false,
    disableClientInfo: true,
    showFriendlyErrorStack: false,
    scripts: undefined,
    himportFieldsets: undefined,
  };
}

/** The options of a Cluster client. `nodes` are the user's options for its nodes. */
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
    clusterRetryStrategy: (attempts: number) => retryDelay(settings.clock, attempts),
    // A lost node is connected again when a command needs it, at the address that the other nodes report.
    clusterNodeRetryStrategy: null,
    // These would send a command again that may have been executed, to any node.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnMoved: 0,
    retryDelayOnTryAgain: 10,
    maxRedirections: 8,
    slotsRefreshTimeout: Math.ceil(settings.connectTimeout / 2),
    redisOptions: { ...nodes, ...connectionOptions(role, settings) },
  };
}

/** The pause before a connection attempt, in ms: jittered, and growing from 50 ms to 1 s. Attempts never stop. */
export function retryDelay(clock: Clock, attempts: number): number {
  const delay = Math.min(INITIAL_RETRY_MS * 2 ** Math.min(attempts - 1, 10), MAX_RETRY_MS);
  return Math.round(jittered(delay, clock));
}
