import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import { CacheableMemory } from 'cacheable';
import { Keyv } from 'keyv';

export const name = 'cache-manager, with memory';
export const packages = ['cache-manager', 'cacheable', 'keyv', '@keyv/redis'];

/** Memory and Redis, as its documentation shows for several stores. It has no bus. */
export async function open({ url, prefix, ttlSeconds }) {
  const redis = new KeyvRedis(url, { namespace: prefix });
  const ttl = ttlSeconds * 1_000;
  const cache = createCache({
    stores: [
      new Keyv({ store: new CacheableMemory({ ttl, lruSize: 10_000 }) }),
      new Keyv({ store: redis, namespace: prefix, useKeyPrefix: false }),
    ],
    ttl,
  });
  await redis.getClient();
  return { read: (key, load) => cache.wrap(key, load), invalidate: {}, close: () => cache.disconnect() };
}
