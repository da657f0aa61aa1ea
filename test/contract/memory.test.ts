import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { clearKey, entryKey, epochsKey, tagKey } from '../../src/core/key.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { cacheContract } from './cache-contract.js';
import { entryStoreContract } from './entry-store-contract.js';

const NAMESPACE = 'contract';

entryStoreContract(
  test,
  'memory',
  async (t) => {
    const clock = fakeClock();
    const woken: string[] = [];
    const host = {
      namespace: NAMESPACE,
      clock,
      wake: (key: string) => void woken.push(key),
      degraded() {},
      recovered() {},
    };
    const backend = memory().open(host);
    const { entries: store } = backend;
    await backend.ready();
    const stands = async (name: string): Promise<boolean> => (await store.read(name, [])).record !== null;
    return {
      store,
      entry: (key) => entryKey(NAMESPACE, key),
      tag: (name) => tagKey(NAMESPACE, name),
      clear: clearKey(NAMESPACE),
      epochs: epochsKey(NAMESPACE),
      woken: () => woken,
      told: async () => {},
      ends: async (name, ms) => {
        await clock.advance(ms - 1);
        t.true(await stands(name), `${name} is gone before ${ms} ms`);
        await clock.advance(2);
        t.false(await stands(name), `${name} is there after ${ms} ms`);
      },
      gone: async (name) => {
        for (let i = 0; i < 100 && (await stands(name)); i++) await clock.advance(10);
        t.false(await stands(name));
      },
      close: () => backend.close(),
    };
  },
  {
    'still knows that somebody waits after the lease is replaced':
      'whoever waits polls after at most 250 ms, and in this process the wake saves nothing else',
  },
);

cacheContract(test, 'memory', async (t, count, options) => {
  const clock = fakeClock();
  const adapter = memory();
  const cachings = Array.from(
    { length: count },
    () => new Caching({ adapter, namespace: NAMESPACE, clock, ...options }),
  );
  t.teardown(() => Promise.all(cachings.map((caching) => caching.close())));
  return {
    cachings,
    until: async (what, condition) => {
      for (let i = 0; i < 200; i++) {
        if (await condition()) return;
        await clock.advance(25);
      }
      t.fail(what);
    },
  };
});
