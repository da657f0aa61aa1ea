import type { RedisOptions } from 'ioredis';
import { defaultsOf, parseOptions, resolveOptions } from '../../core/shared/option-schema.js';
import type { Adapter } from '../../core/ports/adapter.js';
import { openBackend } from './backend.js';
import type { ExistingClient } from './connection/client-types.js';
import { ioredisOptions, type IoredisOptions } from './ioredis-options.js';
import { resolveLockServers } from './locks/lock-server-options.js';
import { resolveTarget } from './connection/target.js';

export type { ExistingClient } from './connection/client-types.js';
export type { IoredisOptions } from './ioredis-options.js';

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
