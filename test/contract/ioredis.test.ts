import test, { type ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching, type CachingOptions } from '../../src/core/caching.js';
import { systemClock } from '../../src/core/shared/system-clock.js';
import {
  clearKey,
  entryKey,
  tagChangesKey,
  lockKey,
  rateSubject,
  sessionKey,
  sessionPrefix,
  sessionUserKey,
  tagKey,
} from '../../src/core/keys/store-keys.js';
import { eventually } from '../support/eventually.js';
import { SEAL } from '../support/seal-keys.js';
import {
  startCluster,
  startIndependent,
  startRedis,
  type RedisCluster,
  type RedisServer,
} from '../support/servers.js';
import { cacheContract } from './cache-contract.js';
import { entryStoreContract } from './entry-store-contract.js';
import { limitsContract } from './limits-contract.js';
import { lockStoreContract } from './lock-store-contract.js';
import { locksContract } from './locks-contract.js';
import { messagesContract } from './messages-contract.js';
import { rateStoreContract } from './rate-store-contract.js';
import { sessionStoreContract } from './session-store-contract.js';

let server: RedisServer;
let cluster: RedisCluster;
let independent: readonly RedisServer[];

test.before('start Redis', async () => {
  [server, cluster, independent] = await Promise.all([startRedis(), startCluster(3), startIndependent(3)]);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop(), ...(independent ?? []).map((one) => one.stop())]);
});

// Long timeouts: these tests do not test timeouts, and the machine may be busy.
const PATIENT = { timeout: '20s', connectTimeout: '20s' } as const;
/** The tolerance for a command and its message, in ms. */
const SLACK = 5_000;

let opened = 0;

for (const kind of ['one Redis', 'a Redis Cluster'] as const) {
  const connect = (t: ExecutionContext): Redis | Cluster => {
    const client = kind === 'one Redis' ? new Redis(server.url) : new Cluster([...cluster.nodes]);
    t.teardown(() => client.disconnect());
    return client;
  };

  entryStoreContract(test, kind, async (t) => {
    const namespace = `contract-${process.pid}-${++opened}`;
    const side = connect(t);
    const woken: string[] = [];
    const backend = ioredis(connect(t), PATIENT).open({
      namespace,
      clock: systemClock,
      wake: (key) => void woken.push(key),
      degraded: (error) => t.log(`degraded: ${error.message}`),
      recovered() {},
    });
    await backend.ready();
    const { entries: store } = backend;
    return {
      store,
      entry: (key) => entryKey(namespace, key),
      tag: (name) => tagKey(namespace, name),
      clear: clearKey(namespace),
      tagChanges: tagChangesKey(namespace),
      woken: () => woken,
      told: async (keys) => {
        await eventually(`messages for ${keys.join(', ')}`, () => keys.every((key) => woken.includes(key)));
      },
      ends: async (name, ms) => {
        const left = await side.pttl(name);
        t.true(
          left <= ms && left > ms - SLACK && left > 0,
          `${name} ends in ${left} ms, and ${ms} ms were due`,
        );
      },
      gone: async (name) => {
        await eventually(`${name} is gone`, async () => (await side.exists(name)) === 0);
      },
      close: () => backend.close(),
    };
  });

  messagesContract(
    test,
    kind,
    async (t, count) => {
      const namespace = `contract-${process.pid}-${++opened}`;
      const openOne = (namespace: string) =>
        ioredis(connect(t), PATIENT).open({
          namespace,
          clock: systemClock,
          wake() {},
          degraded: (error) => t.log(`degraded: ${error.message}`),
          recovered() {},
        });
      const backends = Array.from({ length: count }, () => openOne(namespace));
      const other = openOne(`${namespace}-other`);
      await Promise.all([...backends, other].map((backend) => backend.ready()));
      return {
        buses: backends.map(({ messages }) => messages),
        other: other.messages,
        close: async () => void (await Promise.all([...backends, other].map((backend) => backend.close()))),
      };
    },
    { countsReceivers: kind === 'one Redis' },
  );

  rateStoreContract(test, kind, async (t) => {
    const namespace = `contract-${process.pid}-${++opened}`;
    const woken: string[] = [];
    const backend = ioredis(connect(t), PATIENT).open({
      namespace,
      clock: systemClock,
      wake: (name) => void woken.push(name),
      degraded: (error) => t.log(`degraded: ${error.message}`),
      recovered() {},
    });
    await backend.ready();
    const last = rateSubject(namespace, 'last');
    return {
      store: backend.rates,
      subject: (key) => rateSubject(namespace, key),
      woken: () => woken.filter((name) => name !== last),
      told: async (subject, times) => {
        const told = (): number => woken.filter((name) => name === subject).length;
        await eventually(`${times} messages for ${subject}`, () => told() >= times);
        // Messages of one server arrive in order, so no earlier message arrives after the one for `last`.
        const before = woken.length;
        await backend.rates.reset(last, []);
        await eventually('the last message', () => woken.includes(last, before));
        t.is(told(), times);
      },
      until: async (what, condition) => void (await eventually(what, condition)),
      close: () => backend.close(),
    };
  });

  sessionStoreContract(test, kind, async (t) => {
    const namespace = `contract-${process.pid}-${++opened}`;
    const side = connect(t);
    const backend = ioredis(connect(t), PATIENT).open({
      namespace,
      clock: systemClock,
      wake() {},
      degraded: (error) => t.log(`degraded: ${error.message}`),
      recovered() {},
    });
    await backend.ready();
    return {
      store: backend.sessions,
      prefix: sessionPrefix(namespace, 'web'),
      session: (handle) => sessionKey(namespace, 'web', handle),
      user: (user) => sessionUserKey(namespace, 'web', user),
      until: async (what, condition) => void (await eventually(what, condition)),
      evict: async (userKey) => void (await side.del(userKey)),
      close: () => backend.close(),
    };
  });

  const open = async (t: ExecutionContext, count: number, options: Partial<CachingOptions>) => {
    const namespace = `contract-${process.pid}-${++opened}`;
    const cachings = Array.from(
      { length: count },
      () =>
        new Caching({
          adapter: ioredis(connect(t), PATIENT),
          namespace,
          ...options,
          defaults: { storeTimeout: PATIENT.timeout, ...options.defaults },
          limits: { storeTimeout: PATIENT.timeout, ...options.limits },
        }),
    );
    t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
    await Promise.all(cachings.map((caching) => caching.ready()));
    return {
      cachings,
      until: async (what: string, condition: () => Promise<boolean>) =>
        void (await eventually(what, condition)),
    };
  };
  cacheContract(test, kind, open);
  cacheContract(test, `${kind}, sealed`, (t, count, options) => open(t, count, { ...options, seal: SEAL }));
  limitsContract(test, kind, open);
}

for (const kind of ['one Redis', 'a Redis Cluster', 'three independent Redis'] as const) {
  const single = kind !== 'three independent Redis';
  lockStoreContract(
    test,
    kind,
    async (t) => {
      const namespace = `contract-${process.pid}-${++opened}`;
      const woken: string[] = [];
      const target = kind === 'a Redis Cluster' ? new Cluster([...cluster.nodes]) : server.url;
      if (typeof target !== 'string') t.teardown(() => target.disconnect());
      const lockServers = single ? undefined : independent.map(({ url }) => url);
      const backend = ioredis(target, { ...PATIENT, lockServers }).open({
        namespace,
        clock: systemClock,
        wake: (name) => void woken.push(name),
        degraded: (error) => t.log(`degraded: ${error.message}`),
        recovered() {},
      });
      await backend.ready();
      return {
        store: backend.locks,
        lock: (key) => lockKey(namespace, key),
        woken: () => woken,
        told: async (name) => {
          await eventually(`a message for ${name}`, () => woken.includes(name));
        },
        until: async (what, ask) => void (await eventually(what, ask)),
        close: () => backend.close(),
      };
    },
    { single },
  );

  locksContract(
    test,
    kind,
    async (t, count) => {
      const namespace = `contract-${process.pid}-${++opened}`;
      const lockServers = single ? undefined : independent.map(({ url }) => url);
      const cachings = Array.from({ length: count }, () => {
        const target = kind === 'a Redis Cluster' ? new Cluster([...cluster.nodes]) : server.url;
        if (typeof target !== 'string') t.teardown(() => target.disconnect());
        return new Caching({ adapter: ioredis(target, { ...PATIENT, lockServers }), namespace });
      });
      t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
      await Promise.all(cachings.map((caching) => caching.ready()));
      return { cachings, settle: (promise) => promise };
    },
    { single },
  );
}
