import KeyvRedis from '@keyv/redis';
import { RedisMessageProvider } from '@qified/redis';
import { Cacheable } from 'cacheable';

export const name = 'cacheable';
export const packages = ['cacheable', '@keyv/redis', '@qified/redis'];

export async function open({ url, prefix, ttlSeconds, tag, near }) {
  const ttl = ttlSeconds * 1_000;
  const store = new KeyvRedis(url);
  const cache = near
    ? new Cacheable({
        secondary: store,
        ttl,
        namespace: prefix,
        tags: tag !== undefined,
        sync: { qified: new RedisMessageProvider({ uri: url }) },
      })
    : new Cacheable({ primary: store, ttl, namespace: prefix, tags: tag !== undefined });
  await store.getClient();
  // getOrSet takes no tags: tagged entries are read and set, as its page on tags shows.
  const readTagged = async (key, load) => {
    const cached = await cache.get(key);
    if (cached !== undefined) return cached;
    const row = await load();
    await cache.set(key, row, { ttl, tags: [tag] });
    return row;
  };
  return {
    read: tag === undefined ? (key, load) => cache.getOrSet(key, load, { throwErrors: true }) : readTagged,
    invalidate: {
      key: async (key, update) => {
        await update();
        await cache.delete(key);
      },
      tag: async (_key, update) => {
        await update();
        await cache.tags.invalidateTag(tag);
      },
      clear: async (_key, update) => {
        await update();
        await cache.clear();
      },
    },
    close: () => cache.disconnect(),
  };
}
