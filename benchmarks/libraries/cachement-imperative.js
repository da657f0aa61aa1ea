import { openCaching } from './cachement.js';

export const name = 'cachement (imperative)';
export const rootPackages = ['cachement', 'ioredis'];

export async function open({ url, prefix, ttlSeconds, near, tag }) {
  const caching = await openCaching({ url, prefix }, { l1: near === true });
  const { cache } = caching;
  const options = { ttl: ttlSeconds * 1_000, ...(tag === undefined ? {} : { tags: [tag] }) };
  return {
    read: (key, load) => cache.getOrSet(`row:${key}`, load, options),
    invalidate: {
      key: async (key, update) => {
        await update();
        await cache.invalidate({ keys: [`row:${key}`] });
      },
      tag: async (_key, update) => {
        await update();
        await cache.invalidate({ tags: [tag] });
      },
      clear: async (_key, update) => {
        await update();
        await cache.clear();
      },
    },
    close: () => caching.close(),
  };
}
