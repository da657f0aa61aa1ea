import test, { type ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching, type CachingOptions } from '../../src/core/caching.js';
import { systemClock } from '../../src/core/shared/system-clock.js';
import { sessionKey, sessionPrefix, sessionUserKey } from '../../src/core/keys/store-keys.js';
import type { AdapterUnderTest } from '../../src/testing/contract/contract-test.js';
import { entryStoreContract } from '../../src/testing/contract/entry-store-contract.js';
import { lockStoreContract } from '../../src/testing/contract/lock-store-contract.js';
import { rateStoreContract } from '../../src/testing/contract/rate-store-contract.js';
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
import { limitsContract } from './limits-contract.js';
import { locksContract } from './locks-contract.js';
import { messagesContract } from './messages-contract.js';
import { runContract } from './run-contract.js';
import { sessionStoreContract } from './session-store-contract.js';

let server: RedisServer;
let cluster: RedisCluster;
let independent: readonly RedisServer[];

// All tests begin at once: nodes that are slow for a second must not cut their links, on which messages would be lost.
const PATIENT_NODES = { args: ['--cluster-node-timeout', '30000'] };

test.before('start Redis', async () => {
  [server, cluster, independent] = await Promise.all([
    startRedis(),
    startCluster(3, PATIENT_NODES),
    startIndependent(3),
  ]);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop(), ...(independent ?? []).map((one) => one.stop())]);
});

// Long timeouts: these tests do not test timeouts, and the machine may be busy.
const PATIENT = { timeout: '20s', connectTimeout: '20s' } as const;
let opened = 0;

type Kind = 'one Redis' | 'a Redis Cluster' | 'three independent Redis';

const client = (kind: Kind): Redis | Cluster =>
  kind === 'a Redis Cluster' ? new Cluster([...cluster.nodes]) : new Redis(server.url);

/** An adapter on a client of its own, and another client that asks how long records live. */
function openRedis(kind: Kind): AdapterUnderTest {
  const [own, side] = [client(kind), client(kind)];
  const lockServers = kind === 'three independent Redis' ? independent.map(({ url }) => url) : undefined;
  return {
    adapter: ioredis(own, { ...PATIENT, lockServers }),
    remainingMs: (storeKey) => side.pttl(storeKey),
    close: () => {
      own.disconnect();
      side.disconnect();
    },
  };
}

for (const kind of ['one Redis', 'a Redis Cluster'] as const) {
  const connect = (t: ExecutionContext): Redis | Cluster => {
    const connected = client(kind);
    t.teardown(() => connected.disconnect());
    return connected;
  };

  runContract(
    test,
    kind,
    entryStoreContract(() => openRedis(kind)),
  );
  runContract(
    test,
    kind,
    rateStoreContract(() => openRedis(kind)),
  );

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
  runContract(
    test,
    kind,
    lockStoreContract(() => openRedis(kind), { hasSingleAuthority: single }),
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
