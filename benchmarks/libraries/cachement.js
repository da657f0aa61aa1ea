/** How the modules of cachement beside this one open it: Redis alone, and the options that each question asks for. */
import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';

export async function openCaching({ url, prefix }, options = {}, connection = {}) {
  const caching = new Caching({ adapter: ioredis(url, connection), namespace: prefix, ...options });
  await caching.ready();
  return caching;
}

export function openForLocks(setup) {
  return openCaching(setup, { locks: { lease: setup.leaseMs, wait: '30s' } });
}

/** A store that is slow for a moment must not turn a refusal into an admission. */
export function openForLimits(setup) {
  const limits = { denialCache: setup.remember, storeTimeout: '2s', onUnavailable: 'deny' };
  return openCaching(setup, { limits }, { timeout: '2s' });
}
