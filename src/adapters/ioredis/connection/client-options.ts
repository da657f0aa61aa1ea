import type { Clock } from '../../../core/ports/clock.js';
import { jittered } from '../../../core/shared/backoff.js';

export interface ConnectionSettings {
  readonly clock: Clock;
  /** In ms: for the socket, and once more until the server has answered the handshake. */
  readonly connectTimeout: number;
  readonly namespace: string;
}

export type Role = 'commands' | 'subscriber' | 'locks';

const INITIAL_RETRY_MS = 50;
const MAX_RETRY_MS = 1_000;

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

/** The pause before an attempt to connect, in ms: from 50 ms to 1 s, jittered, without end. */
export function retryDelay(clock: Clock, times: number): number {
  return Math.round(jittered(Math.min(INITIAL_RETRY_MS * 2 ** Math.min(times - 1, 10), MAX_RETRY_MS), clock));
}
