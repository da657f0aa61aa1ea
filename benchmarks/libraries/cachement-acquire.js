import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';

export const name = 'cachement (acquire, release)';
export const rootPackages = ['cachement', 'redlock', 'ioredis'];

export async function open({ url, prefix, leaseMs }) {
  const caching = new Caching({
    adapter: ioredis(url),
    namespace: prefix,
    locks: { lease: leaseMs, wait: '30s' },
  });
  await caching.ready();
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
