import type { RedisOptions } from 'ioredis';
import { milliseconds, type Duration } from '../../core/duration.js';
import { checkNames } from '../../core/options.js';
import type { Adapter } from '../../core/ports.js';
import { openBackend } from './backend.js';
import type { ExistingClient } from './client.js';
import { resolveLockServers } from './locks/lock-targets.js';
import { resolveTarget } from './target.js';

export type { ExistingClient } from './client.js';

export interface IoredisOptions {
  /**
   * The deadline of every command, from the call on. After it the call fails, and a reply that comes later is
   * ignored.
   * @default '200ms'
   */
  readonly timeout?: Duration | undefined;
  /**
   * How long a connection may take to be made, and once more until the server has answered the handshake.
   * @default '2s'
   */
  readonly connectTimeout?: Duration | undefined;
  /**
   * Independent servers that locks stand on, instead of the Redis of the cache: an odd number, 3 or more, each as the
   * first argument takes it. A lock is got when a majority of them has granted it, so that a minority may be down.
   * There are no fencing tokens then, no fair locks and no permits.
   * @default the Redis of the cache
   */
  readonly lockServers?: readonly (string | RedisOptions | ExistingClient)[] | undefined;
}

/**
 * Redis 6.0 or newer, through ioredis 5 or 6: one server, one behind Sentinels (`sentinels` and `name` in the
 * options), or a Cluster (a `Cluster` client).
 *
 * A client that is passed in is only the pattern for connections of our own: no command is sent on it, and it
 * stays open when we close. Its `keyPrefix` is kept.
 *
 * @throws OptionsError
 * @example
 * new Caching({ adapter: ioredis('redis://localhost:6379'), namespace: 'shop' });
 */
export function ioredis(
  target: string | RedisOptions | ExistingClient,
  options: IoredisOptions = {},
): Adapter {
  checkNames(options, ['timeout', 'connectTimeout', 'lockServers'], 'the options of ioredis(...)');
  const resolved = resolveTarget(target);
  const lockServers = resolveLockServers(options.lockServers);
  const limits = { min: 1, max: 60_000 };
  const timeout = milliseconds(options.timeout ?? 200, 'timeout of ioredis(...)', limits);
  const connectTimeout = milliseconds(
    options.connectTimeout ?? 2_000,
    'connectTimeout of ioredis(...)',
    limits,
  );
  return {
    name: 'ioredis',
    open: (host) => openBackend(resolved, { timeout, connectTimeout, lockServers }, host),
  };
}
