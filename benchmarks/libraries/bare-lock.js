/** The reference of locks.js: SET NX PX, and a script that deletes the key if its token is ours. No renewal, no waiting. */
import { randomUUID } from 'node:crypto';
import { fromRoot } from '../support/from-root.js';

const { Redis } = fromRoot('ioredis');

export const name = 'ioredis 6: SET NX, compare-delete';
export const rootPackages = ['ioredis'];

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export async function open({ url, prefix, leaseMs }) {
  const redis = new Redis(url);
  redis.defineCommand('compareAndDelete', { numberOfKeys: 1, lua: RELEASE });
  await redis.ping();
  return {
    hold: async (key, work) => {
      const name = `${prefix}:${key}`;
      const token = randomUUID();
      if ((await redis.set(name, token, 'PX', leaseMs, 'NX')) === null) throw new Error(`${key} is held.`);
      try {
        return await work();
      } finally {
        await redis.compareAndDelete(name, token);
      }
    },
    close: async () => redis.disconnect(),
  };
}
