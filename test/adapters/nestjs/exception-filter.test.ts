import 'reflect-metadata';
import { Controller, Get, Injectable, UseFilters } from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { CachingExceptionFilter, CachingModule } from '../../../src/adapters/nestjs/index.js';
import {
  LockNotObtainedError,
  LockUnavailableError,
  OptionsError,
  RateLimited,
  RateLimitExceededError,
  StoreUnavailableError,
} from '../../../src/index.js';
import { PLATFORMS, serve } from './application.js';

@Controller()
class Refusing {
  @Get('limited')
  @RateLimited({ key: 'limited', limit: 1, per: '1m', storeTimeout: '10s' })
  async limited(): Promise<string> {
    return 'ok';
  }
  @Get('locked')
  locked(): never {
    throw new LockNotObtainedError('held', ['secret'], 0);
  }
  @Get('unavailable')
  unavailable(): never {
    throw new StoreUnavailableError('down', 'refused');
  }
  @Get('lock-servers')
  lockServers(): never {
    throw new LockUnavailableError('down', ['secret'], []);
  }
  @Get('bug')
  bug(): never {
    throw new TypeError('a bug');
  }
}

for (const platform of PLATFORMS) {
  test(`a refused request is answered by the filter of the module (${platform})`, async (t) => {
    const { get } = await serve(
      t,
      { imports: [CachingModule.forRoot({ adapter: memory() })], controllers: [Refusing] },
      platform,
    );
    t.is((await get('/limited')).status, 200);
    const refused = await get('/limited');
    t.is(refused.status, 429);
    t.regex(refused.headers.get('ratelimit-policy') ?? '', /q=1;w=60/);
    t.regex(refused.headers.get('ratelimit') ?? '', /r=0;t=\d+/);
    t.regex(refused.headers.get('retry-after') ?? '', /^\d+$/);
    t.regex(refused.headers.get('content-type') ?? '', /^application\/problem\+json/);
    t.like(await refused.json(), { title: 'Quota Exceeded', status: 429 });
    const locked = await get('/locked');
    t.deepEqual(await locked.json(), { type: 'about:blank', title: 'Conflict', status: 409 });
    t.is(locked.status, 409);
    t.is((await get('/unavailable')).status, 503);
    t.is((await get('/lock-servers')).status, 503);
    t.is((await get('/bug')).status, 500);
  });

  test(`its options are those of errorResponse, and false registers none (${platform})`, async (t) => {
    const served = async (filter: false | { lockStatus: 423; legacy: 'delta' }) =>
      serve(
        t,
        { imports: [CachingModule.forRoot({ adapter: memory(), filter })], controllers: [Refusing] },
        platform,
      );
    const options = await served({ lockStatus: 423, legacy: 'delta' });
    t.is((await options.get('/locked')).status, 423);
    await options.get('/limited');
    t.is((await options.get('/limited')).headers.get('x-ratelimit-remaining'), '0');
    const none = await served(false);
    t.is((await none.get('/locked')).status, 500);
  });
}

test('a controller can have the filter alone', async (t) => {
  @Controller('alone')
  @UseFilters(CachingExceptionFilter)
  class Alone {
    @Get()
    locked(): never {
      throw new LockNotObtainedError('held', [], 0);
    }
  }
  const { get } = await serve(t, { controllers: [Alone] });
  t.is((await get('/alone')).status, 409);
});

test('in a context other than HTTP, such as GraphQL, the caller gets the error', async (t) => {
  @Injectable()
  class Resolver {
    calls = 0;
    async find(): Promise<void> {
      throw new RateLimitExceededError('used up', 'key', {} as never);
    }
  }
  const { app } = await serve(t, {
    imports: [CachingModule.forRoot({ adapter: memory() })],
    providers: [Resolver],
  });
  const resolver = app.get(Resolver);
  const call = app
    .get(ExternalContextCreator)
    .create(
      resolver,
      resolver.find,
      'find',
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      'graphql',
    );
  await t.throwsAsync(call(), { instanceOf: RateLimitExceededError });
});

test('wrong options are an error when the application starts', async (t) => {
  const filter = { lockStatus: 404 } as never;
  await t.throwsAsync(serve(t, { imports: [CachingModule.forRoot({ adapter: memory(), filter })] }), {
    instanceOf: OptionsError,
    message: /lockStatus of new CachingExceptionFilter.* is 409 or 423/,
  });
});
