import test from 'ava';
import { Redis } from 'ioredis';
import { StoreUnavailableError, type Duration } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { startProxy, type Proxy } from '../support/proxy.js';
import { startRedis, type RedisServer } from '../support/servers.js';
import { faultService } from './fault-service.js';

/** The resources of a fault: its own server, a proxy in front of it, and a client that bypasses the proxy. */
interface Ground {
  readonly server: RedisServer;
  readonly proxy: Proxy;
  readonly admin: Redis;
}

interface Fault {
  readonly name: string;
  readonly args?: readonly string[];
  readonly patience?: Duration;
  /** Injects the fault. The returned function ends it. */
  inject(ground: Ground): Promise<() => Promise<void>>;
  /** True if stored entries are still returned during the fault. */
  readonly hits: boolean;
  /** True if an invalidation is still acknowledged during the fault. */
  readonly invalidates: boolean;
}

const FAULTS: readonly Fault[] = [
  {
    name: 'Redis is killed',
    hits: false,
    invalidates: false,
    inject: async ({ server }) => {
      await server.kill();
      return () => server.restart();
    },
  },
  {
    name: 'Redis is stopped by SIGSTOP',
    hits: false,
    invalidates: false,
    inject: async ({ server }) => {
      await server.pause();
      return () => server.resume();
    },
  },
  {
    name: 'the network swallows everything',
    hits: false,
    invalidates: false,
    inject: async ({ proxy }) => proxy.timeout('both'),
  },
  {
    name: 'the network swallows the replies',
    hits: false,
    invalidates: false,
    inject: async ({ proxy }) => proxy.timeout('downstream'),
  },
  {
    name: 'connections are refused',
    hits: false,
    invalidates: false,
    inject: async ({ proxy }) => proxy.down('refuse'),
  },
  {
    name: 'connections are reset',
    hits: false,
    invalidates: false,
    inject: async ({ proxy }) => proxy.resetPeer(),
  },
  {
    name: 'every reply takes two seconds',
    hits: false,
    invalidates: false,
    inject: async ({ proxy }) => proxy.latency(2_000),
  },
  {
    name: 'Redis is out of memory',
    hits: true,
    invalidates: true,
    inject: async ({ admin }) => {
      await admin.config('SET', 'maxmemory', '1');
      return async () => void (await admin.config('SET', 'maxmemory', '0'));
    },
  },
  {
    name: 'Redis is a read-only replica',
    hits: true,
    invalidates: false,
    inject: async ({ admin }) => {
      await admin.replicaof('127.0.0.1', 1);
      return async () => void (await admin.replicaof('NO', 'ONE'));
    },
  },
  {
    name: 'Redis has too few replicas to write',
    hits: true,
    invalidates: false,
    inject: async ({ admin }) => {
      await admin.config('SET', 'min-replicas-to-write', '1');
      return async () => void (await admin.config('SET', 'min-replicas-to-write', '0'));
    },
  },
  {
    name: 'a replica has lost its master and serves nothing stale',
    args: ['--replica-serve-stale-data', 'no'],
    hits: false,
    invalidates: false,
    inject: async ({ admin }) => {
      await admin.replicaof('127.0.0.1', 1);
      return async () => void (await admin.replicaof('NO', 'ONE'));
    },
  },
  {
    name: 'a script of somebody else keeps Redis busy',
    args: ['--busy-reply-threshold', '50'],
    hits: false,
    invalidates: false,
    inject: async ({ admin, server }) => {
      const busy = new Redis(server.port, server.host, { maxRetriesPerRequest: 0 });
      const script = busy.eval('while true do end', 0).catch(() => undefined);
      await eventually('Redis says that it is busy', () =>
        admin.get('x').then(
          () => false,
          (error: Error) => error.message.startsWith('BUSY'),
        ),
      );
      return async () => {
        await admin.script('KILL');
        await script;
        busy.disconnect();
      };
    },
  },
  {
    name: 'the script cache is flushed',
    hits: true,
    invalidates: true,
    inject: async ({ admin }) => {
      await admin.script('FLUSH');
      return async () => {};
    },
  },
  {
    name: 'the network delivers byte by byte',
    patience: '10s',
    hits: true,
    invalidates: true,
    inject: async ({ proxy }) => proxy.slicer(1),
  },
];

for (const fault of FAULTS) {
  test.serial(
    `G3 read your writes, G10 bounded delay: while ${fault.name}: calls return the current value, invalidated methods keep their result, and Redis is used again afterwards`,
    async (t) => {
      t.timeout(60_000);
      const server = await startRedis({ local: true, args: fault.args ?? [] });
      const proxy = await startProxy(server);
      const admin = new Redis(server.port, server.host, { retryStrategy: () => 50 });
      admin.on('error', () => {});
      const { patience = '1s' } = fault;
      const service = faultService(proxy.url, { patience });
      const elsewhere = faultService(proxy.url, { namespace: service.caching.namespace, patience });
      try {
        await service.caching.ready();
        await elsewhere.caching.ready();
        await service.cached('a');
        await elsewhere.cached('a');
        const loadsBefore = service.loads;

        const mend = await fault.inject({ server, proxy, admin });

        // Ten calls for a stored key, ten for a missing one.
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, i) => service.find(i % 2 === 0 ? 'a' : 'b')),
        );
        t.deepEqual(new Set(answers), new Set([1]));
        if (fault.hits) t.is(service.loads, loadsBefore + 1, 'the stored key was not loaded again');

        // The method returns its result, and this process does not return the replaced value.
        t.is(await service.save('a'), 'saved');
        t.is(await service.find('a'), 2);
        t.is(service.caching.cache.pending, !fault.invalidates);
        if (!fault.hits) {
          const error = await t.throwsAsync(service.caching.cache.get('b'));
          t.true(error instanceof StoreUnavailableError, 'trouble is not "not found"');
        }

        await mend();

        await eventually('what is queued has been sent', () => !service.caching.cache.pending);
        elsewhere.version = 2;
        await eventually('the other process sees the update', async () => (await elsewhere.find('a')) === 2);
        await service.cached('a');
        await elsewhere.cached('a');
        t.is(await service.find('a'), 2);
        t.is(service.count('degraded'), service.count('recovered'));
      } finally {
        await Promise.all([service.close(), elsewhere.close()]);
        admin.disconnect();
        await proxy.stop();
        await server.stop();
      }
    },
  );
}

test.serial(
  'G1 no resurrection: a fill that a stopped server executes late is refused if the key was invalidated',
  async (t) => {
    const server = await startRedis({ local: true });
    const service = faultService(server.url);
    const elsewhere = faultService(server.url, { namespace: service.caching.namespace });
    try {
      await Promise.all([service.caching.ready(), elsewhere.caching.ready()]);
      const { cache } = service.caching;
      let finish!: (value: string) => void;
      let began!: () => void;
      const loading = new Promise<void>((resolve) => (began = resolve));
      const load = cache.getOrSet('late', () => {
        began();
        return new Promise<string>((resolve) => (finish = resolve));
      });
      await loading;
      await server.pause();
      finish('old');
      t.is(await load, 'old');
      await server.resume();
      await eventually('the store answers again', () =>
        elsewhere.caching.cache.invalidate({ keys: ['late'] }).then(({ acknowledged }) => acknowledged),
      );
      t.is(await elsewhere.caching.cache.getOrSet('late', () => 'new'), 'new');
      t.is(await elsewhere.caching.cache.get('late'), 'new');
    } finally {
      await Promise.all([service.close(), elsewhere.close()]);
      await server.stop();
    }
  },
);

test.serial('after a lost reply to a fill the value is stored and the call returns', async (t) => {
  const server = await startRedis({ local: true });
  const proxy = await startProxy(server);
  const service = faultService(proxy.url);
  try {
    await service.caching.ready();
    t.is(await service.find('warm'), 1);
    const { happened } = proxy.loseNextReply('item:lost');
    t.is(await service.find('lost'), 1);
    await happened;
    await service.cached('lost');
    t.is(await service.find('lost'), 1);
  } finally {
    await service.close();
    await proxy.stop();
    await server.stop();
  }
});

test.serial('a foreign value at the key of an entry is left alone by calls and invalidations', async (t) => {
  const server = await startRedis();
  const admin = new Redis(server.url);
  const service = faultService(server.url);
  try {
    await service.caching.ready();
    const at = `${service.caching.namespace}:cache:item:a`;
    await admin.rpush(at, 'mine');
    t.is(await service.find('a'), 1);
    t.is(await service.find('a'), 1);
    t.is(service.loads, 2);
    t.true(service.count('error') > 0);
    await service.save('a');
    t.deepEqual(await admin.lrange(at, 0, -1), ['mine']);
  } finally {
    await service.close();
    admin.disconnect();
    await server.stop();
  }
});

test.serial('foreign bytes at the key of an entry are a miss and are replaced', async (t) => {
  const server = await startRedis();
  const admin = new Redis(server.url);
  const service = faultService(server.url);
  try {
    await service.caching.ready();
    const at = `${service.caching.namespace}:cache:item:a`;
    for (const poison of ['', 'x', '{"json":true}', '\u00ce\u0009broken']) {
      await admin.set(at, Buffer.from(poison, 'latin1'));
      await service.find('a');
      await service.cached('a');
    }
    t.is(await service.find('a'), 1);
  } finally {
    await service.close();
    admin.disconnect();
    await server.stop();
  }
});
