/** What one writes without a library: GET, and on a miss load and SET; DEL when the row changes. */
import { Redis } from 'ioredis';

export const name = 'by hand: GET, load, SET';
export const packages = ['ioredis'];
export const open = openWith(Redis);

/** @param Client the `Redis` of one of the versions of ioredis */
export function openWith(Client) {
  return async ({ url, prefix, ttlSeconds }) => {
    const redis = new Client(url);
    await redis.ping();
    return {
      read: async (key, load) => {
        const cached = await redis.get(`${prefix}:${key}`);
        if (cached !== null) return JSON.parse(cached);
        const row = await load();
        await redis.set(`${prefix}:${key}`, JSON.stringify(row), 'EX', ttlSeconds);
        return row;
      },
      invalidate: {
        key: async (key, update) => {
          await update();
          await redis.del(`${prefix}:${key}`);
        },
      },
      close: async () => redis.disconnect(),
    };
  };
}
