import test, { type ExecutionContext } from 'ava';
import { Cluster, Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching } from '../../src/core/caching.js';
import { systemClock } from '../../src/core/clock.js';
import { clearKey, entryKey, epochsKey, tagKey } from '../../src/core/key.js';
import { eventually } from '../support/eventually.js';
import { startCluster, startRedis, type RedisCluster, type RedisServer } from '../support/servers.js';
import { cacheContract } from './cache-contract.js';
import { entryStoreContract } from './entry-store-contract.js';

let server: RedisServer;
let cluster: RedisCluster;

test.before('start Redis', async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster(3)]);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

// Deadlines are not what these tests are about, and the machine may be busy.
const PATIENT = { timeout: '20s', connectTimeout: '20s' } as const;
/** What a command and a message may take. */
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
      epochs: epochsKey(namespace),
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

  cacheContract(test, kind, async (t, count, options) => {
    const namespace = `contract-${process.pid}-${++opened}`;
    const cachings = Array.from(
      { length: count },
      () =>
        new Caching({
          adapter: ioredis(connect(t), PATIENT),
          namespace,
          ...options,
          defaults: { budget: PATIENT.timeout, ...options.defaults },
        }),
    );
    t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
    await Promise.all(cachings.map((caching) => caching.ready()));
    return { cachings, until: async (what, condition) => void (await eventually(what, condition)) };
  });
}
