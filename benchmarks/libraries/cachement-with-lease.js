import { openForLocks } from './cachement.js';

export const name = 'cachement (withLease)';
export const rootPackages = ['cachement', 'redlock', 'ioredis'];

export async function open(setup) {
  const caching = await openForLocks(setup);
  return {
    hold: (key, work) => caching.locks.withLease(key, {}, work),
    close: () => caching.close(),
  };
}
