import { openForLocks } from './cachement.js';

export const name = 'cachement (acquire, release)';
export const rootPackages = ['cachement', 'redlock', 'ioredis'];

export async function open(setup) {
  const caching = await openForLocks(setup);
  return {
    hold: async (key, work) => {
      const lease = await caching.locks.acquire(key);
      try {
        return await work();
      } finally {
        await lease.release();
      }
    },
    close: () => caching.close(),
  };
}
