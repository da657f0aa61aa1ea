import { cachified } from '@epic-web/cachified';
import { redisCacheAdapter } from 'cachified-redis-adapter';
import { createClient } from 'redis';

export const name = 'cachified';
export const packages = ['@epic-web/cachified', 'cachified-redis-adapter', 'redis'];

/** It takes one cache, here Redis; it has no tags, and its caches have no clear. */
export async function open({ url, prefix, ttlSeconds }) {
  const redis = createClient({ url });
  await redis.connect();
  const cache = redisCacheAdapter(redis);
  return {
    read: (key, load) =>
      cachified({ cache, key: `${prefix}:${key}`, ttl: ttlSeconds * 1_000, getFreshValue: () => load() }),
    invalidate: {
      key: async (key, update) => {
        await update();
        await cache.delete(`${prefix}:${key}`);
      },
    },
    close: async () => redis.destroy(),
  };
}
