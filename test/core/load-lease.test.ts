import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import type { Adapter } from '../../src/core/ports/adapter.js';
import { fakeClock } from '../../src/testing/index.js';

test('a store that shows an invalidated record and does not replace it is asked for the lease once', async (t) => {
  const shared = memory();
  let isStuck = false;
  let requests = 0;
  const adapter: Adapter = {
    ...shared,
    open(host) {
      const backend = shared.open(host);
      const { entries } = backend;
      const lease: typeof entries.lease = async (key, ...rest) => {
        if (!isStuck) return entries.lease(key, ...rest);
        if (++requests === 10) isStuck = false;
        return { status: 'present', record: (await entries.read(key, [])).record! };
      };
      return { ...backend, entries: { ...entries, lease } };
    },
  };
  const caching = new Caching({ adapter, clock: fakeClock(), defaults: { ttl: '1m' } });
  t.teardown(() => caching.close());
  await caching.cache.getOrSet('key', () => 1);
  await caching.cache.clear();
  isStuck = true;
  t.is(await caching.cache.getOrSet('key', () => 2), 2);
  t.is(requests, 1);
});
