import type { AdapterHost, Backend } from '../../core/ports/adapter.js';
import { kindOf } from '../../core/keys/store-keys.js';
import { newToken } from '../../core/shared/token.js';
import type { CircuitBreaker } from './commands/circuit-breaker.js';
import { clientSource } from './connection/own-client.js';
import { channelOf, openTopology, RedisConnection } from './connection/redis-connection.js';
import type { Target } from './connection/target.js';
import { waitForEndedConnections } from './connection/watch-client.js';
import { ScriptRunner } from './commands/script.js';
import { RedisEntryStore } from './entries/entry-store.js';
import { ReplicatedRemovals } from './entries/replicated-removals.js';
import { RedisRateStore } from './limits/rate-store.js';
import type { IoredisSettings } from './ioredis-options.js';
import { RedisLockStore } from './locks/lock-store.js';
import { RedisSessionStore } from './sessions/session-store.js';
import { RedisMessageBus } from './messages/message-bus.js';

/** Opens the connections of one `Caching`, and creates the stores that use them. */
export function openBackend(target: Target, settings: IoredisSettings, host: AdapterHost): Backend {
  const { namespace, clock } = host;
  const { timeout, connectTimeout } = settings;
  const channel = channelOf(namespace);
  const sender = newToken();
  const changes = host.changes === undefined ? undefined : { ...host.changes, sender };
  const openBreakers = new Set<CircuitBreaker>();
  // Several breakers can be open in a Cluster. Only the first one and the last one are reported.
  const changed = (breaker: CircuitBreaker, reason: Error | undefined): void => {
    const wasDegraded = openBreakers.size > 0;
    if (reason === undefined) openBreakers.delete(breaker);
    else openBreakers.add(breaker);
    if (!wasDegraded && reason !== undefined) host.degraded(reason);
    else if (wasDegraded && openBreakers.size === 0) host.recovered();
  };
  const connection = new RedisConnection(
    target,
    'commands',
    {
      clock,
      namespace,
      timeout,
      connectTimeout,
      changed,
      changes,
      onReady: (again) => messages.onReady(again),
    },
    (key) => host.wake(key),
  );
  const { scripts, topology } = connection;
  const locks = new RedisLockStore(target, settings, host);
  const messages = new RedisMessageBus(target, topology, scripts, { clock, namespace, connectTimeout });
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    messages.close();
    await Promise.all([locks.close(), replicated.close(), connection.close()]);
    await waitForEndedConnections();
  };
  connection.open();
  const entrySettings = { clock, timeout, readsStoreTime: host.needsStoreTime === true };
  const replicated = new ReplicatedRemovals(
    () => {
      const silent = { changed() {}, ready() {}, disconnected() {} };
      const own = openTopology(
        target,
        'replicated',
        { clock, namespace, timeout, connectTimeout, ...silent },
        silent,
      );
      own.open();
      const ownScripts = new ScriptRunner(own);
      return {
        topology: own,
        entries: new RedisEntryStore(own, ownScripts, namespace, sender, entrySettings),
      };
    },
    { clock, timeout },
  );

  return {
    entries: Object.assign(new RedisEntryStore(topology, scripts, namespace, sender, entrySettings), {
      replicated: replicated.run.bind(replicated),
    }),
    rates: new RedisRateStore(scripts, topology, channel, { clock, timeout }),
    locks,
    sessions: new RedisSessionStore(scripts, topology),
    messages,
    clients: clientSource(target, { clock, namespace, connectTimeout }),
    listen: (name) => {
      const isLock = kindOf(namespace, name) === 'lock';
      return (isLock ? locks.listen(name) : undefined) ?? connection.listen(name);
    },
    ready: async () => {
      await connection.check();
      await locks.ready();
    },
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}
