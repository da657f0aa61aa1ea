import { createClient } from 'redis';

export const name = 'node-redis, client-side cache';
export const packages = ['redis'];

/** The cache of the client: the server tells it which keys were written (RESP3). It keeps texts, which are parsed. */
export async function open({ url, prefix, ttlSeconds }) {
  const client = createClient({
    url,
    RESP: 3,
    clientSideCache: { ttl: ttlSeconds * 1_000, maxEntries: 10_000, evictPolicy: 'LRU' },
  });
  client.on('error', () => {});
  await client.connect();
  return {
    read: async (key, load) => {
      const name = `${prefix}:${key}`;
      const known = await client.get(name);
      if (known !== null) return JSON.parse(known);
      const row = await load();
      await client.set(name, JSON.stringify(row), { PX: ttlSeconds * 1_000 });
      return row;
    },
    invalidate: {
      key: async (key, update) => {
        await update();
        await client.del(`${prefix}:${key}`);
      },
    },
    close: async () => client.destroy(),
  };
}
