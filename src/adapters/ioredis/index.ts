import type { RedisOptions } from 'ioredis';
import type { Duration } from '../../core/duration.js';
import {
  defaultsOf,
  duration,
  parseOptions,
  resolveOptions,
  unchecked,
  type Option,
} from '../../core/option-schema.js';
import type { Adapter } from '../../core/ports.js';
import { openBackend } from './backend.js';
import type { ExistingClient } from './client.js';
import { resolveLockServers } from './locks/lock-targets.js';
import { resolveTarget } from './target.js';

export type { ExistingClient } from './client.js';

export interface IoredisOptions {
  /**
   * The deadline of every command, counted from the call: from 1 ms to a minute. After it the call fails, and a reply
   * that comes later is ignored.
   * @default '200ms'
   */
  readonly timeout?: Duration | undefined;
  /**
   * How long it may take to connect, and as long again until the server answers the handshake: from 1 ms to a minute.
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

const TIMEOUT_LIMITS = { min: 1, max: 60_000 };

/** The same as a schema: names, checks and defaults. */
export const ioredisOptions = {
  timeout: duration({ ...TIMEOUT_LIMITS, default: '200ms' }),
  connectTimeout: duration({ ...TIMEOUT_LIMITS, default: '2s' }),
  lockServers: unchecked<readonly unknown[]>('a list of servers'),
} satisfies Record<keyof IoredisOptions, Option<unknown>>;

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
  const given = parseOptions(ioredisOptions, options, 'ioredis(...)');
  const { timeout, connectTimeout } = resolveOptions(given, defaultsOf(ioredisOptions));
  const resolved = resolveTarget(target);
  const lockServers = resolveLockServers(options.lockServers);
  return {
    name: 'ioredis',
    open: (host) => openBackend(resolved, { timeout, connectTimeout, lockServers }, host),
  };
}
