import { createCache } from 'async-cache-dedupe';

export const name = 'async-cache-dedupe, memory alone';
export const packages = ['async-cache-dedupe'];

/** It has memory or Redis, not one in front of the other. */
export async function open({ ttlSeconds }) {
  const cache = createCache({ ttl: ttlSeconds, storage: { type: 'memory', options: { size: 10_000 } } });
  const loads = new Map();
  cache.define('rows', async (key) => loads.get(key)());
  return {
    read: (key, load) => {
      loads.set(key, load);
      return cache.rows(key);
    },
    hit: (key) => cache.rows(key),
    invalidate: {},
    close: async () => {},
  };
}
