import test from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { fakeClock } from '../../src/testing/index.js';

test('a negativeTtl longer than the ttl holds: the nonces live as long as the entry', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), clock, defaults: { jitter: 0 } });
  t.teardown(() => caching.close());
  const times = { ttl: '1m', negativeTtl: '1h' } as const;
  let loads = 0;
  const load = async (): Promise<null> => {
    loads++;
    return null;
  };
  const find = async (): Promise<void> => {
    await caching.cache.getOrSet('plain', load, times);
    await caching.cache.getOrSet('arguments', load, { ...times, tags: ['org'] });
    await caching.cache.getOrSet('result', load, { ...times, tags: () => ['team'] });
  };
  await find();
  t.is(loads, 3);
  await clock.advance(59 * 60_000);
  await find();
  t.is(loads, 3);
  await clock.advance(60_000 + 1);
  await find();
  t.is(loads, 6);
});
