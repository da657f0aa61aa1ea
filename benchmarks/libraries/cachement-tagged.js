import { Cached } from '../../dist/index.js';
import { decorate } from '../support/decorate.js';
import { openCaching } from './cachement.js';

export const name = 'cachement (decorated, two tags)';
export const rootPackages = ['cachement', 'ioredis'];

/** Both tags depend on the argument, as `org:{0}` does. */
export async function open({ url, prefix, ttlSeconds, near }) {
  const cache = await openCaching({ url, prefix }, { l1: near === true });
  class Rows {
    async find(_key, load) {
      return load();
    }
  }
  const tags = ['row:{0}', 'group:{0}'];
  decorate(Rows, 'find', Cached({ key: 'row:{0}', ttl: ttlSeconds * 1_000, tags, cache }));
  const rows = new Rows();
  return { read: (key, load) => rows.find(key, load), invalidate: {}, close: () => cache.close() };
}
