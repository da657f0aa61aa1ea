import { CacheClear, Cacheable } from '@type-cacheable/core';
import { useAdapter } from '@type-cacheable/ioredis-adapter';
import { Redis } from 'ioredis';
import { decorate } from '../support/decorate.js';

export const name = '@type-cacheable';
export const packages = ['@type-cacheable/core', '@type-cacheable/ioredis-adapter', 'ioredis'];

/** Decorators over Redis alone. Its `hashKey` names a set of entries that @CacheClear can clear together. */
export async function open({ url, prefix, ttlSeconds, tag }) {
  const redis = new Redis(url);
  await redis.ping();
  const client = useAdapter(redis);
  await client.init();
  const hashKey = tag === undefined ? undefined : `${prefix}:${tag}`;
  const cacheKey = ([key]) => (tag === undefined ? `${prefix}:${key}` : key);

  class Rows {
    async find(_key, load) {
      return load();
    }
    async save(_key, update) {
      await update();
    }
    async saveByTag(_key, update) {
      await update();
    }
  }
  decorate(Rows, 'find', Cacheable({ client, cacheKey, hashKey, ttlSeconds }));
  decorate(Rows, 'save', CacheClear({ client, cacheKey, hashKey }));
  if (tag !== undefined) decorate(Rows, 'saveByTag', CacheClear({ client, hashKey }));

  const rows = new Rows();
  return {
    read: (key, load) => rows.find(key, load),
    invalidate: {
      key: (key, update) => rows.save(key, update),
      tag: (key, update) => rows.saveByTag(key, update),
    },
    close: async () => redis.disconnect(),
  };
}
