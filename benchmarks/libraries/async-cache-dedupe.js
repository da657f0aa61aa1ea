import { createCache } from 'async-cache-dedupe';
import { Redis } from 'ioredis';

export const name = 'async-cache-dedupe';
export const packages = ['async-cache-dedupe', 'ioredis'];

/** It has one storage at a time: Redis, without memory in front of it. */
export async function open({ url, prefix, ttlSeconds, tag }) {
  const client = new Redis(url);
  await client.ping();
  const cache = createCache({
    ttl: ttlSeconds,
    storage: {
      type: 'redis',
      options: { client, ...(tag === undefined ? {} : { invalidation: { referencesTTL: ttlSeconds } }) },
    },
  });
  cache.define(
    prefix,
    { serialize: ({ key }) => key, ...(tag === undefined ? {} : { references: () => [`${prefix}:${tag}`] }) },
    ({ load }) => load(),
  );
  return {
    read: (key, load) => cache[prefix]({ key, load }),
    invalidate: {
      key: async (key, update) => {
        await update();
        await cache.clear(prefix, { key });
      },
      tag: async (_key, update) => {
        await update();
        await cache.invalidateAll(`${prefix}:${tag}`);
      },
      clear: async (_key, update) => {
        await update();
        await cache.clear();
      },
    },
    close: async () => client.disconnect(),
  };
}
