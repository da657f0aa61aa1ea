/** A reference of price.js: `get` of an ioredis Cluster with `enableAutoPipelining`, and `JSON.parse`. */
import { fromRoot } from '../support/from-root.js';

const { Cluster } = fromRoot('ioredis');

export const name = 'ioredis 6 Cluster: enableAutoPipelining';
export const rootPackages = ['ioredis'];

export async function open({ url, prefix, ttlSeconds }) {
  const cluster = new Cluster([url], { enableAutoPipelining: true });
  return {
    read: async (key, load) => {
      const cached = await cluster.get(`${prefix}:${key}`);
      if (cached !== null) return JSON.parse(cached);
      const row = await load();
      await cluster.set(`${prefix}:${key}`, JSON.stringify(row), 'EX', ttlSeconds);
      return row;
    },
    close: async () => cluster.disconnect(),
  };
}
