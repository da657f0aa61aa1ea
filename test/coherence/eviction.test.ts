import test from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching } from '../../src/core/caching.js';
import { redisForFile } from '../support/servers.js';
import { HeldLoad, Row } from '../support/held-load.js';

const server = redisForFile(test, { args: ['--maxmemory', '3mb', '--maxmemory-policy', 'allkeys-random'] });

test('G1 no resurrection: I22: a load that is invalidated while it runs is not stored, while Redis evicts at random', async (t) => {
  const [reader, writer] = [1, 2].map(
    () =>
      new Caching({
        adapter: ioredis(server().url, { timeout: '20s' }),
        namespace: 'storm',
        defaults: { ttl: '1m', storeTimeout: '20s' },
      }),
  );
  const redis = new Redis(server().url);
  t.teardown(async () => {
    redis.disconnect();
    await Promise.all([reader!.close(), writer!.close()]);
  });
  await Promise.all([reader!.ready(), writer!.ready()]);
  let filler = 0;
  const flood = async (): Promise<void> => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < 50; i++) pipeline.set(`filler:${filler++}`, 'x'.repeat(20_000));
    await pipeline.exec();
  };
  const evicted = async (): Promise<number> =>
    Number(/evicted_keys:(\d+)/.exec(await redis.info('stats'))![1]);
  while ((await evicted()) === 0) await flood();

  const options = [
    { tags: ['org'], target: { keys: ['k'] } },
    { tags: ['org'], target: { tags: ['org'] } },
    { tags: () => ['org'], target: { tags: ['org'] } },
    { tags: ['org'], target: { all: true } },
  ];
  for (let round = 0; round < 10; round++) {
    for (const { tags, target } of options) {
      const row = new Row();
      await writer!.cache.invalidate({ keys: ['k'] });
      const held = new HeldLoad(row);
      const first = reader!.cache.getOrSet('k', held.run, { tags });
      await held.entered;
      if (round % 2 === 0) await flood();
      row.write();
      t.true((await writer!.cache.invalidate(target)).acknowledged);
      if (round % 2 === 1) await flood();
      held.finish();
      t.is(await first, 1);
      t.is(await writer!.cache.getOrSet('k', row.load, { tags }), 2);
      t.is(await reader!.cache.getOrSet('k', row.load, { tags }), 2);
    }
  }
  t.true((await evicted()) > 500);
});
