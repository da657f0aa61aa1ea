import { LRUCache } from 'lru-cache';

export const name = 'lru-cache, by hand';
export const packages = ['lru-cache'];

/** What a developer writes in front of a method: no Redis, and no coherence. */
export async function open({ ttlSeconds }) {
  const memory = new LRUCache({ max: 10_000, ttl: ttlSeconds * 1_000 });
  class Rows {
    async find(id, load) {
      const key = `row:${id}`;
      const known = memory.get(key);
      if (known !== undefined) return known;
      const row = await load();
      memory.set(key, row);
      return row;
    }
  }
  const rows = new Rows();
  return { read: (key, load) => rows.find(key, load), invalidate: {}, close: async () => {} };
}
