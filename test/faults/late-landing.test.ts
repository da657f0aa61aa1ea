import test from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { entryKey } from '../../src/core/keys/store-keys.js';
import { Caching, type CachingOptions } from '../../src/index.js';
import { eventually } from '../support/eventually.js';
import { startRedis, type RedisServer } from '../support/servers.js';

const NAMESPACE = 'late';

function open(url: string, options: Partial<CachingOptions> = {}): Caching {
  return new Caching({ adapter: ioredis(url), namespace: NAMESPACE, ...options });
}

/** Resolves `ms` after `since`, by the clock of this process. */
async function passed(since: number, ms: number): Promise<void> {
  await eventually(`${ms} ms have passed`, () => performance.now() - since > ms);
}

async function serving(server: RedisServer): Promise<Redis> {
  const redis = new Redis(server.url);
  await redis.ping();
  return redis;
}

/** Returns how many scripts Redis has executed since its start, without NOSCRIPT failures. */
async function executed(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  const sum = (field: string): number =>
    ['eval', 'evalsha'].reduce((total, command) => {
      const found = new RegExp(`cmdstat_${command}:.*?${field}=(\\d+)`).exec(stats);
      return total + Number(found?.[1] ?? 0);
    }, 0);
  return sum('calls') - sum('failed_calls');
}

test('G6 age: a fill that Redis executes after a pause does not store the value past its ttl', async (t) => {
  const server = await startRedis({ local: true });
  t.teardown(() => server.stop());
  const [writer, reader] = [open(server.url), open(server.url)];
  t.teardown(() => Promise.all([writer.close(), reader.close()]));
  await Promise.all([writer.ready(), reader.ready()]);
  // Loads the scripts into Redis.
  await writer.cache.set('user:0', 'any', { ttl: '1m' });
  const admin = await serving(server);
  let before = 0;
  let loadedAt = 0;
  const old = await writer.cache.getOrSet(
    'user:1',
    async () => {
      loadedAt = performance.now();
      before = await executed(admin);
      admin.disconnect();
      await server.pause();
      return 'old';
    },
    { ttl: '1s', jitter: 0 },
  );
  t.is(old, 'old');
  await passed(loadedAt, 2_000);
  await server.resume();
  const redis = await serving(server);
  t.teardown(() => redis.disconnect());
  await eventually('Redis has executed the fill', async () => (await executed(redis)) > before);
  t.is(await redis.exists(entryKey(NAMESPACE, 'user:1')), 0, 'nothing is stored');
  for (const caching of [writer, reader]) {
    const value = await eventually('Redis is used again', async () => {
      const found = await caching.cache.getOrSet('user:1', () => 'new', { ttl: '1m' });
      return caching.cache.has('user:1').then(
        (has) => has && found,
        () => undefined,
      );
    });
    t.is(value, 'new');
  }
});
