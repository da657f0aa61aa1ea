import type { Timer } from '../../../core/ports/clock.js';
import { withoutArguments } from '../commands/redis-errors.js';
import { afterPendingReads } from '../commands/circuit-breaker.js';
import { retryDelay, type ConnectionSettings } from './client-options.js';
import type { CommandClient, RedisClient } from './client-types.js';

export interface ConnectionEvents {
  ready(): void;
  /** The connection was lost, or an attempt has failed. ioredis makes a new one. */
  disconnected(error: Error): void;
  /** An `error` event of ioredis. It may repeat, and a `disconnected` may follow. */
  error?(error: Error): void;
}

/**
 * Watches a client: handles all its errors, ends a connection whose handshake is not answered in time, and connects a
 * client again that has stopped trying.
 *
 * @param reconnect ends the present connection, so that the client makes a new one
 * @param isDone if true, a client that has ended is not connected again
 * @returns cancels the timers
 */
export function watch(
  client: CommandClient,
  settings: ConnectionSettings,
  events: ConnectionEvents,
  reconnect: () => void,
  isDone: () => boolean,
): () => void {
  const { clock, connectTimeout } = settings;
  let handshake: Timer | undefined;
  let retry: Timer | undefined;
  let lastError: Error | undefined;
  let attempts = 0;
  client.on('error', (error: Error) => {
    withoutArguments(error);
    lastError = error;
    events.error?.(error);
  });
  client.on('connect', () => {
    handshake?.cancel();
    handshake = clock.after(connectTimeout, () => {
      afterPendingReads(() => {
        if (client.status !== 'connect') return;
        lastError = handshakeError(connectTimeout);
        events.error?.(lastError);
        reconnect();
      });
    });
  });
  client.on('ready', () => {
    handshake?.cancel();
    attempts = 0;
    // The event is late: the connection may be lost again.
    if (client.status !== 'ready') return;
    lastError = undefined;
    events.ready();
  });
  client.on('close', () => {
    handshake?.cancel();
    events.disconnected(lastError ?? new Error('The connection was closed.'));
    lastError = undefined;
  });
  client.on('end', () => {
    handshake?.cancel();
    if (isDone()) return;
    attempts += 1;
    retry = clock.after(retryDelay(clock, attempts), () => {
      if (!isDone() && client.status === 'end') connect(client);
    });
  });
  return () => {
    handshake?.cancel();
    retry?.cancel();
  };
}

export function handshakeError(ms: number): Error {
  return new Error(`The server accepted the connection and then sent nothing for ${ms} ms.`);
}

/** Starts to connect. The outcome is reported by events. */
export function connect(client: CommandClient): void {
  client.connect().catch(() => {});
}

/** Ends the present connection at once. Its client makes a new one. */
export function cutConnection(client: RedisClient): void {
  client.stream?.destroy();
}

/** The sockets that were destroyed and are not closed yet. */
const closingSockets = new Set<Promise<void>>();

/**
 * Ends a client for good, without waiting for the server, which may not answer. When the socket is closed, ioredis sets
 * timers of a millisecond: see `waitForEndedConnections`.
 */
export function endConnection(client: RedisClient): void {
  const { stream } = client;
  client.disconnect();
  if (stream === undefined || stream.closed) return;
  const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()));
  closingSockets.add(closed);
  void closed.then(() => closingSockets.delete(closed));
  stream.destroy();
}

/** Resolves when the connections that were just ended are closed, and the timers of ioredis have run. */
export async function waitForEndedConnections(): Promise<void> {
  // On a busy machine a socket is closed some milliseconds after it was destroyed.
  // guard: ended-connections-are-closed
  await Promise.all(closingSockets);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
