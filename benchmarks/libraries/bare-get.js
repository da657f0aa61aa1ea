/** The measure of all throughput: `ioredis.get` and `JSON.parse`, no cache around it. With the ioredis that cachement uses. */
import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

export const name = 'ioredis 6: GET + JSON.parse';
export const rootPackages = ['ioredis'];

export async function open({ url, prefix, ttlSeconds }) {
  const redis = new Redis(url);
  await redis.ping();
  return {
    read: async (key, load) => {
      const cached = await redis.get(`${prefix}:${key}`);
      if (cached !== null) return JSON.parse(cached);
      const row = await load();
      await redis.set(`${prefix}:${key}`, JSON.stringify(row), 'EX', ttlSeconds);
      return row;
    },
    close: async () => redis.disconnect(),
  };
}
