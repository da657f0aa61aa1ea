import type { RedisOptions } from 'ioredis';
import { defaultsOf, parseOptions, resolveOptions } from '../../core/shared/option-schema.js';
import type { Adapter } from '../../core/ports/adapter.js';
import { openBackend } from './backend.js';
import type { ExistingClient } from './connection/client-types.js';
import { ioredisOptions, type IoredisOptions } from './ioredis-options.js';
import { resolveLockServers } from './locks/lock-server-options.js';
import { clientSource } from './connection/own-client.js';
import { resolveTarget } from './connection/target.js';

export type { ExistingClient } from './connection/client-types.js';
export type { IoredisOptions } from './ioredis-options.js';
export { invalidationScript } from './entries/invalidation-script.js';

/**
 * Creates an adapter for Redis 6.0 or newer with ioredis 5 or 6: for one server, one behind Sentinels (`sentinels` and
 * `name` in the options), or a Cluster (a `Cluster` client).
 *
 * A client is only a template: the adapter opens its own connections with the same options and `keyPrefix`. It sends no
 * command on the client, and does not close it.
 *
 * @param target a URL (`redis://`, or `rediss://` for TLS), the options of ioredis, or a `Redis` or `Cluster` client
 * @throws OptionsError. A server that cannot be used is reported by `caching.ready()`, as a StoreSetupError
 * @example
 * new Caching({ adapter: ioredis('redis://localhost:6379'), namespace: 'shop' });
 */
export function ioredis(
  target: string | RedisOptions | ExistingClient,
  options: IoredisOptions = {},
): Adapter {
  const parsed = parseOptions(ioredisOptions, options, 'ioredis(...)');
  const { timeout, connectTimeout } = resolveOptions(parsed, defaultsOf(ioredisOptions));
  const resolved = resolveTarget(target);
  const lockServers = resolveLockServers(options.lockServers);
  return {
    name: 'ioredis',
    open: (host) => openBackend(resolved, { timeout, connectTimeout, lockServers }, host),
    clients: (host) => clientSource(resolved, { ...host, connectTimeout }),
  };
}
