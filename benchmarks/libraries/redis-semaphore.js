import { Mutex } from 'redis-semaphore';
import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

export const name = 'redis-semaphore (Mutex)';
export const packages = ['redis-semaphore'];
export const rootPackages = ['ioredis'];

/** Its defaults: a retry every 10 ms, a refresh at eight tenths of the lease. */
export async function open({ url, prefix, leaseMs }) {
  const redis = new Redis(url);
  await redis.ping();
  return {
    hold: async (key, work) => {
      const mutex = new Mutex(redis, `${prefix}:${key}`, { lockTimeout: leaseMs });
      await mutex.acquire();
      try {
        return await work();
      } finally {
        await mutex.release();
      }
    },
    close: async () => redis.disconnect(),
  };
}
