import { Caching } from '../../dist/index.js';
import { ioredis } from '../../dist/ioredis.js';
import { fromRoot } from '../support/from-root.js';

const { Cluster } = fromRoot('ioredis');

export const name = 'cachement (imperative)';
export const rootPackages = ['cachement', 'ioredis'];

export async function open({ url, prefix, ttlSeconds }) {
  const target = new Cluster([url], { lazyConnect: true });
  const caching = new Caching({ adapter: ioredis(target), namespace: prefix, l1: false });
  await caching.ready();
  const options = { ttl: ttlSeconds * 1_000 };
  return {
    read: (key, load) => caching.cache.getOrSet(`row:${key}`, load, options),
    close: () => caching.close(),
  };
}
