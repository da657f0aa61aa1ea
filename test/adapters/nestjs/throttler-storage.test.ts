import 'reflect-metadata';
import { Controller, Get } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerGuard, ThrottlerModule, type ThrottlerStorage } from '@nestjs/throttler';
import test, { type ExecutionContext } from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { CachingModule, cachingThrottlerStorage } from '../../../src/adapters/nestjs/index.js';
import { Caching, OptionsError } from '../../../src/index.js';
import { fakeClock } from '../../../src/testing/index.js';
import { redisForFile } from '../../support/servers.js';
import { onOwnRedis, placeOf, PLACES } from '../http/places.js';
import { PLATFORMS, serve, type Platform } from './application.js';

const redis = redisForFile(test);

@Controller()
class Hello {
  @Get()
  hello(): string {
    return 'hello';
  }
}

/** An application whose guard counts in `caching`. */
function throttled(t: ExecutionContext, caching: Caching, platform?: Platform) {
  const imports = [
    CachingModule.forRoot(caching),
    ThrottlerModule.forRootAsync({
      inject: [Caching],
      useFactory: (caching: Caching) => ({
        throttlers: [{ ttl: 60_000, limit: 2 }],
        storage: cachingThrottlerStorage(caching) satisfies ThrottlerStorage,
      }),
    }),
  ];
  const providers = [{ provide: APP_GUARD, useClass: ThrottlerGuard }];
  return serve(t, { imports, controllers: [Hello], providers }, platform);
}

for (const kind of PLACES) {
  for (const platform of PLATFORMS) {
    test(`the guard of @nestjs/throttler counts for all instances together (${kind}, ${platform})`, async (t) => {
      const place = placeOf(t, kind, () => redis().url);
      const [first, second] = [
        await throttled(t, place.instance(), platform),
        await throttled(t, place.instance(), platform),
      ];
      const one = await first.get('/');
      t.deepEqual([one.status, one.headers.get('x-ratelimit-remaining')], [200, '1']);
      t.is((await second.get('/')).status, 200);
      const refused = await first.get('/');
      t.is(refused.status, 429);
      t.regex(refused.headers.get('retry-after') ?? '', /^\d+$/);
      t.is((await second.get('/')).status, 429);
    });
  }
}

test('Redis that does not answer is 503, and not 429', async (t) => {
  const { caching, server } = await onOwnRedis(t);
  const { get } = await throttled(t, caching);
  t.is((await get('/')).status, 200);
  await server.stop();
  t.is((await get('/')).status, 503);
});

test('a hit over the limit blocks for blockDuration; hits in it do not count, and a new window follows', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), clock });
  t.teardown(() => caching.close());
  const storage = cachingThrottlerStorage(caching);
  const hit = (block = 10_000) => storage.increment('client', 60_000, 2, block, 'default');
  t.deepEqual(await hit(), { totalHits: 1, timeToExpire: 60, isBlocked: false, timeToBlockExpire: 0 });
  t.like(await hit(), { totalHits: 2, isBlocked: false });
  t.deepEqual(await hit(), { totalHits: 3, timeToExpire: 10, isBlocked: true, timeToBlockExpire: 10 });
  await clock.advance(4_000);
  t.deepEqual(await hit(), { totalHits: 3, timeToExpire: 6, isBlocked: true, timeToBlockExpire: 6 });
  await clock.advance(6_000);
  t.like(await hit(), { totalHits: 1, timeToExpire: 60, isBlocked: false });
  t.like(await storage.increment('client', 60_000, 2, 10_000, 'other'), { totalHits: 1 });
});

test('with a blockDuration of 0 a client is refused until the window ends', async (t) => {
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), clock });
  t.teardown(() => caching.close());
  const hit = () => cachingThrottlerStorage(caching).increment('client', 60_000, 1, 0, 'default');
  await hit();
  t.like(await hit(), { isBlocked: true, timeToBlockExpire: 60 });
  await clock.advance(60_000);
  t.like(await hit(), { totalHits: 1, isBlocked: false });
});

test('wrong arguments are an error', (t) => {
  t.throws(() => cachingThrottlerStorage({} as never), {
    instanceOf: OptionsError,
    message: /caching of cachingThrottlerStorage/,
  });
});
