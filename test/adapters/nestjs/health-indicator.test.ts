import 'reflect-metadata';
import { Controller, Get } from '@nestjs/common';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import test from 'ava';
import { memory } from '../../../src/adapters/memory/index.js';
import { CachingHealthIndicator, CachingModule } from '../../../src/adapters/nestjs/index.js';
import { Caching, OptionsError } from '../../../src/index.js';
import { onOwnRedis } from '../http/places.js';
import { serve } from './application.js';

@Controller('health')
class Health {
  constructor(
    readonly health: HealthCheckService,
    readonly caching: CachingHealthIndicator,
  ) {}
  @Get()
  check() {
    return this.health.check([() => this.caching.isHealthy('redis', { timeout: '2s' })]);
  }
}

test('@nestjs/terminus reports whether Redis answers', async (t) => {
  const { caching, server } = await onOwnRedis(t);
  const imports = [CachingModule.forRoot(caching), TerminusModule.forRoot({ logger: false })];
  const { get } = await serve(t, { imports, controllers: [Health] });
  const up = await get('/health');
  t.is(up.status, 200);
  t.like(await up.json(), { status: 'ok', details: { redis: { status: 'up' } } });
  await server.stop();
  const down = await get('/health');
  t.is(down.status, 503);
  t.like(await down.json(), {
    status: 'error',
    details: { redis: { status: 'down', message: 'The store did not answer within 2000 ms.' } },
  });
});

test('a closed Caching is down, another one can be asked, and wrong options are errors', async (t) => {
  const [closed, open] = [new Caching({ adapter: memory() }), new Caching({ adapter: memory() })];
  await closed.close();
  const indicator = new CachingHealthIndicator(closed);
  t.like(await indicator.isHealthy('cache'), { cache: { status: 'down' } });
  t.deepEqual(await indicator.isHealthy('cache', { caching: open }), { cache: { status: 'up' } });
  await t.throwsAsync(indicator.isHealthy('cache', { timeout: 'soon' as never }), {
    instanceOf: OptionsError,
  });
  await open.close();
});
