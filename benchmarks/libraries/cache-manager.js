import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import { Keyv } from 'keyv';

export const name = 'cache-manager';
export const packages = ['cache-manager', 'keyv', '@keyv/redis'];

/** Redis alone: with memory in front of it and without a bus, other processes would return stale rows without any race. */
export async function open({ url, prefix, ttlSeconds }) {
  const redis = new KeyvRedis(url, { namespace: prefix });
  const store = new Keyv({ store: redis, namespace: prefix, useKeyPrefix: false });
  const cache = createCache({ stores: [store], ttl: ttlSeconds * 1_000 });
  await redis.getClient();
  return {
    read: (key, load) => cache.wrap(key, load),
    invalidate: {
      key: async (key, update) => {
        await update();
        await cache.del(key);
      },
      clear: async (_key, update) => {
        await update();
        await cache.clear();
      },
    },
    close: () => cache.disconnect(),
  };
}
