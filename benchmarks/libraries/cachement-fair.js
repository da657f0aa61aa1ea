import { openForLocks } from './cachement.js';

export const name = 'cachement (withLease, fair)';
export const rootPackages = ['cachement', 'redlock', 'ioredis'];

export async function open(setup) {
  const caching = await openForLocks(setup);
  return {
    hold: (key, work) => caching.locks.withLease(key, { fair: true }, work),
    close: () => caching.close(),
  };
}
