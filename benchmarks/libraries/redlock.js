import Redlock from 'redlock';
import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

export const name = 'redlock (acquire, release)';
export const packages = ['redlock'];
export const rootPackages = ['ioredis'];

/** Its defaults: 10 retries, 200 ms apart, 100 ms more or less. */
export async function openRedlock(url) {
  const redis = new Redis(url);
  const redlock = new Redlock([redis]);
  redlock.on('error', () => {});
  await redis.ping();
  return { redlock, close: async () => redis.disconnect() };
}

export async function open({ url, prefix, leaseMs }) {
  const { redlock, close } = await openRedlock(url);
  return {
    hold: async (key, work) => {
      const lock = await redlock.acquire([`${prefix}:${key}`], leaseMs);
      try {
        return await work();
      } finally {
        await lock.release();
      }
    },
    close,
  };
}
