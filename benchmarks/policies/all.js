/** The policies that eviction.js measures. Each has `get(key)` and `set(key, value)` of a key that it has not. */
import { fromRoot } from '../support/from-root.js';
import { S3Fifo } from './s3-fifo.js';
import { Sieve } from './sieve.js';
import { WTinyLfu } from './w-tinylfu.js';

const { LRUCache } = fromRoot('lru-cache');
const { BoundedEntry, BoundedMap } = await import('../../build/tsc/core/l1/bounded-map.js');

class Entry extends BoundedEntry {
  constructor(key, value) {
    super(key, 1);
    this.value = value;
  }
}

class OfCachement {
  #map;

  constructor(max) {
    this.#map = new BoundedMap({ maxEntries: max, maxWeight: Infinity });
  }

  get(key) {
    return this.#map.get(key)?.value;
  }

  set(key, value) {
    this.#map.set(new Entry(key, value));
  }
}

const OPEN = {
  'lru-cache': (max) => new LRUCache({ max }),
  SIEVE: (max) => new Sieve(max),
  'S3-FIFO': (max) => new S3Fifo(max),
  'W-TinyLFU': (max) => new WTinyLfu(max),
  cachement: (max) => new OfCachement(max),
};

/** Those whose hit ratios are compared. `open` also knows `lru-cache, ttl`, which keeps the same entries as lru-cache. */
export const POLICIES = Object.keys(OPEN);

export function open(policy, max) {
  if (policy === 'lru-cache, ttl') return new LRUCache({ max, ttl: 3_600_000 });
  return OPEN[policy](max);
}
