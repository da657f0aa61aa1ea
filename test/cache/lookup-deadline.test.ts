import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import type { Adapter } from '../../src/core/ports/adapter.js';
import { fakeClock } from '../../src/testing/index.js';

test('G10 bounded delay: the two readings of a hit with tags of the result share storeTimeout', async (t) => {
  const clock = fakeClock();
  const timeouts: (number | undefined)[] = [];
  let slowMs = 0;
  const inner = memory();
  const adapter: Adapter = {
    name: 'slow',
    open: (host) => {
      const backend = inner.open(host);
      const { entries } = backend;
      const read: typeof entries.read = async (...args) => {
        const snapshot = await entries.read(...args);
        await clock.advance(slowMs);
        return snapshot;
      };
      const nonces: typeof entries.nonces = (keys, timeout) => {
        timeouts.push(timeout);
        return entries.nonces(keys, timeout);
      };
      const wrapped = Object.assign(Object.create(entries) as typeof entries, { read, nonces });
      for (const verb of ['lease', 'fill', 'getOrCreateNonces'] as const)
        Object.assign(wrapped, { [verb]: entries[verb].bind(entries) });
      return { ...backend, entries: wrapped };
    },
  };
  const caching = new Caching({ adapter, clock, defaults: { ttl: '1m', storeTimeout: 250 } });
  t.teardown(() => caching.close());
  const options = { tags: () => ['org'] };
  await caching.cache.getOrSet('key', async () => 1, options);
  timeouts.length = 0;
  slowMs = 200;
  t.is(await caching.cache.getOrSet('key', async () => 2, options), 1);
  t.deepEqual(timeouts, [50]);
});
