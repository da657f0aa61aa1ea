import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';

export const name = 'cachement (withLease, fair)';
export const rootPackages = ['cachement', 'redlock', 'ioredis'];

export async function open({ url, prefix, leaseMs }) {
  const caching = new Caching({
    adapter: ioredis(url),
    namespace: prefix,
    locks: { lease: leaseMs, wait: '30s' },
  });
  await caching.ready();
  return {
    hold: (key, work) => caching.locks.withLease(key, { fair: true }, work),
    close: () => caching.close(),
  };
}
