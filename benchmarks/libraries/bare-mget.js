/** One MGET for all keys that are read within one tick, and `JSON.parse`: the most that batching reads can gain. */
import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

export const name = 'ioredis 6: MGET per tick + JSON.parse';
export const rootPackages = ['ioredis'];

export async function open({ url, prefix, ttlSeconds }) {
  const redis = new Redis(url);
  await redis.ping();
  let batch;
  const send = async ({ keys, calls }) => {
    batch = undefined;
    try {
      const values = await redis.mget(keys);
      calls.forEach(({ resolve }, i) => resolve(values[i]));
    } catch (error) {
      for (const { reject } of calls) reject(error);
    }
  };
  const get = (key) =>
    new Promise((resolve, reject) => {
      if (batch === undefined) {
        const begun = { keys: [], calls: [] };
        batch = begun;
        process.nextTick(() => send(begun));
      }
      batch.keys.push(key);
      batch.calls.push({ resolve, reject });
    });
  return {
    read: async (key, load) => {
      const cached = await get(`${prefix}:${key}`);
      if (cached !== null) return JSON.parse(cached);
      const row = await load();
      await redis.set(`${prefix}:${key}`, JSON.stringify(row), 'EX', ttlSeconds);
      return row;
    },
    close: async () => redis.disconnect(),
  };
}
