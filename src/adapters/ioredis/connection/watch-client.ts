import type { Timer } from '../../../core/ports/clock.js';
import { withoutArguments } from '../commands/redis-errors.js';
import { afterPendingReads } from '../commands/circuit-breaker.js';
import { retryDelay, type ConnectionSettings } from './client-options.js';
import type { CommandClient, RedisClient } from './client-types.js';

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
      afterPendingReads(() => {
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
 * for it: see `waitForEndedConnections`.
 */
export function endConnection(client: RedisClient): void {
  client.disconnect();
  client.stream?.destroy();
}

/** Resolves when nothing is left of connections that were just ended. */
export function waitForEndedConnections(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
