import { Cached, Invalidates } from '../../dist/index.js';
import { decorate } from '../support/decorate.js';
import { openCaching } from './cachement.js';

export const name = 'cachement (decorated)';
export const rootPackages = ['cachement', 'ioredis'];

/** `near`: with the L1. `caching`: further options of `new Caching`. `tags`: templates, in place of `tag`. */
export async function open({
  url,
  prefix,
  ttlSeconds,
  near,
  tag,
  caching,
  tags = tag === undefined ? [] : [tag],
}) {
  const cache = await openCaching({ url, prefix }, { l1: near === true, ...caching });
  const ttl = ttlSeconds * 1_000;

  class Rows {
    async find(_key, load) {
      return load();
    }
    async save(_key, update) {
      await update();
    }
    async saveByTag(_key, update) {
      await update();
    }
    async saveAll(_key, update) {
      await update();
    }
  }
  decorate(Rows, 'find', Cached({ key: 'row:{0}', ttl, cache, ...(tags.length === 0 ? {} : { tags }) }));
  decorate(Rows, 'save', Invalidates({ keys: 'row:{0}', cache }));
  if (tag !== undefined) decorate(Rows, 'saveByTag', Invalidates({ tags: [tag], cache }));
  decorate(Rows, 'saveAll', Invalidates({ all: true, cache }));

  const rows = new Rows();
  return {
    read: (key, load) => rows.find(key, load),
    invalidate: {
      key: (key, update) => rows.save(key, update),
      tag: (key, update) => rows.saveByTag(key, update),
      clear: (key, update) => rows.saveAll(key, update),
    },
    close: () => cache.close(),
  };
}
