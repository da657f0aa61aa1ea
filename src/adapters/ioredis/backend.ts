import type { Backend, Host } from '../../core/ports.js';
import type { BackendSettings } from './backend-settings.js';
import type { Breaker } from './breaker.js';
import { restOfConnections } from './connections.js';
import { RedisEntryStore } from './entry-store.js';
import { channelOf, Link } from './link.js';
import { RedisLockStore } from './locks/lock-store.js';
import { RedisRateStore } from './limits/rate-store.js';
import type { Target } from './target.js';

/** Everything of one `Caching` on Redis: the connections, and the ports that work on them. */
export function openBackend(target: Target, settings: BackendSettings, host: Host): Backend {
  const { namespace, clock } = host;
  const { timeout, connectTimeout } = settings;
  const channel = channelOf(namespace);
  const open = new Set<Breaker>();
  const changed = (breaker: Breaker, reason: Error | undefined): void => {
    const degraded = open.size > 0;
    if (reason === undefined) open.delete(breaker);
    else open.add(breaker);
    if (!degraded && reason !== undefined) host.degraded(reason);
    else if (degraded && open.size === 0) host.recovered();
  };
  const wake = (name: string): void => host.wake(name);
  const link = new Link(target, 'commands', { clock, namespace, timeout, connectTimeout, changed }, wake);
  const { reads, scripts, servers } = link;
  const locks = new RedisLockStore(target, settings, host);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([locks.close(), link.close()]);
    await restOfConnections();
  };
  link.open();

  return {
    entries: new RedisEntryStore(reads, scripts, servers, channel),
    rates: new RedisRateStore(scripts, servers, channel, { clock, timeout }),
    locks,
    ready: async () => {
      await link.check();
      await locks.ready();
    },
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}
