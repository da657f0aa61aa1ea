import type { ExecutionContext, TestFn } from 'ava';
import { Redis } from 'ioredis';
import { ioredis, type IoredisOptions } from '../../../../src/adapters/ioredis/index.js';
import { Caching, type CachingOptions } from '../../../../src/core/caching.js';
import { lockKey } from '../../../../src/core/keys/store-keys.js';
import { eventually } from '../../../support/eventually.js';
import { startProxy, type Proxy } from '../../../support/proxy.js';
import { startIndependent, startRedis, type RedisServer } from '../../../support/servers.js';

/** One of several lock servers: reached through the proxy, looked at past it. */
export interface LockServer {
  readonly server: RedisServer;
  readonly proxy: Proxy;
  readonly admin: Redis;
}

export interface Opened {
  readonly caching: Caching;
  readonly namespace: string;
  /** How many of the servers have something at this lock's name. */
  standing(key: string): Promise<number>;
}

export interface LockFleet {
  readonly servers: readonly LockServer[];
  /** What else there is of a `Caching`, which none of these tests is about. */
  readonly target: RedisServer;
  open(
    t: ExecutionContext,
    options?: IoredisOptions & { readonly locks?: CachingOptions['locks']; readonly namespace?: string },
  ): Promise<Opened>;
}

/** Independent servers for the tests of one file, which run one after the other: each finds them whole. */
export function lockFleetForFile(test: TestFn, count: number): () => LockFleet {
  let fleet: { readonly servers: LockServer[]; readonly target: RedisServer } | undefined;
  let opened = 0;
  test.before('start the lock servers', async () => {
    const [target, servers] = await Promise.all([startRedis(), startIndependent(count, { local: true })]);
    fleet = {
      target,
      servers: await Promise.all(
        servers.map(async (server) => {
          // Fails soon while its server is away.
          const admin = new Redis(server.url, {
            maxRetriesPerRequest: 0,
            enableOfflineQueue: false,
            commandTimeout: 1_000,
          });
          admin.on('error', () => {});
          return { server, proxy: await startProxy(server), admin };
        }),
      ),
    };
  });
  test.afterEach.always('make the lock servers whole', async () => {
    for (const { server, proxy, admin } of fleet?.servers ?? []) {
      await proxy.heal();
      await server.resume().catch(() => server.restart());
      await eventually('the server answers', () => admin.flushall().catch(() => undefined));
    }
  });
  test.after.always('stop the lock servers', async () => {
    for (const { server, proxy, admin } of fleet?.servers ?? []) {
      admin.disconnect();
      await proxy.stop();
      await server.stop();
    }
    await fleet?.target.stop();
  });
  return () => {
    if (fleet === undefined) throw new Error('The lock servers exist only while the tests run.');
    const { servers, target } = fleet;
    const open: LockFleet['open'] = async (t, options = {}) => {
      const { locks, namespace = `locks-${process.pid}-${++opened}`, ...given } = options;
      const lockServers = servers.map(({ proxy }) => proxy.url);
      const caching = new Caching({
        adapter: ioredis(target.url, { lockServers, ...given }),
        namespace,
        ...(locks === undefined ? {} : { locks }),
      });
      t.teardown(() => caching.close());
      await caching.ready();
      const standing: Opened['standing'] = async (key) => {
        const found = await Promise.all(
          servers.map(({ admin }) => admin.exists(lockKey(namespace, key)).catch(() => 0)),
        );
        return found.reduce((sum, one) => sum + one, 0);
      };
      return { caching, namespace, standing };
    };
    return { servers, target, open };
  };
}
