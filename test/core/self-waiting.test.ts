import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { fakeClock } from '../../src/testing/index.js';

test('a loader that asks for its own key at once is part of its own load', async (t) => {
  const caching = new Caching({ adapter: memory(), clock: fakeClock(), defaults: { ttl: '1m' } });
  const value = await caching.cache.getOrSet('user:1', () => caching.cache.getOrSet('user:1', () => 'inner'));
  t.is(value, 'inner');
  t.is(await caching.cache.get('user:1'), 'inner');
});

test('a loader that asks for its own key later waits for `wait`, and not for ever', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), clock, defaults: { ttl: '1m', wait: '2s' } });
  const value = caching.cache.getOrSet('user:1', async () => {
    await Promise.resolve();
    return caching.cache.getOrSet('user:1', () => 'inner');
  });
  await clock.advance(10_000);
  t.is(await value, 'inner');
});

test('a load that hangs does not hold its key: whoever waited begins anew, together', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), clock, defaults: { ttl: '1m', wait: '2s', lease: '1s' } });
  void caching.cache.getOrSet('user:1', () => new Promise<string>(() => {}));
  let loads = 0;
  const load = (): string => `load ${++loads}`;
  await clock.advance(10);
  const others = Promise.all(Array.from({ length: 10 }, () => caching.cache.getOrSet('user:1', load)));
  await clock.advance(60_000);
  t.deepEqual(new Set(await others), new Set(['load 1']));
});
