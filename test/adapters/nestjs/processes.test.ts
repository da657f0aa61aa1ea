import 'reflect-metadata';
import { Controller, Get, Injectable, Scope } from '@nestjs/common';
import test from 'ava';
import { defineQueue, Enqueues, jobs, Processes } from '../../../src/adapters/bullmq/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { CachingModule } from '../../../src/adapters/nestjs/index.js';
import { Caching } from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import { redisForFile } from '../../support/servers.js';
import { cachingWithJobs } from '../bullmq/jobs-rig.js';
import { created, serve } from './application.js';

const emails = defineQueue<string>('emails');
const redis = redisForFile(test);

function parts() {
  const sent: string[] = [];
  @Injectable()
  class Mailer {
    isInitialised = false;

    onModuleInit(): void {
      this.isInitialised = true;
    }

    @Processes(emails)
    async send(to: string): Promise<void> {
      sent.push(`${to} ${this.isInitialised}`);
    }
  }
  @Injectable({ scope: Scope.REQUEST })
  class OfRequest {
    @Processes(emails)
    async send(): Promise<void> {
      sent.push('of a request');
    }
  }
  @Controller()
  class Users {
    @Get()
    @Enqueues(emails, { data: (to) => to })
    async register(): Promise<string> {
      return 'ada';
    }
  }
  return { sent, Mailer, OfRequest, Users };
}

test('workers of providers run from the start of the application to its end', async (t) => {
  const { sent, Mailer, OfRequest, Users } = parts();
  const caching = cachingWithJobs(t, redis().url);
  const queue = jobs(caching).queue(emails);
  const { app, get } = await serve(t, {
    imports: [CachingModule.forRoot({ caching })],
    controllers: [Users],
    providers: [Mailer, OfRequest],
  });
  t.is(await (await get('/')).text(), 'ada');
  await eventually('processed', async () => (await queue.getCompletedCount()) === 1);
  await app.close();
  await jobs(caching).add(emails, 'later');
  t.is(await queue.getWaitingCount(), 1);

  const again = await created({ imports: [CachingModule.forRoot({ caching })], providers: [Mailer] });
  await again.init();
  await eventually('processed', async () => (await queue.getCompletedCount()) === 2);
  await again.close();
  t.deepEqual(sent, ['ada true', 'later true']);
});

test('with workers: false an application only enqueues', async (t) => {
  const { sent, Mailer, Users } = parts();
  const caching = cachingWithJobs(t, redis().url, { workers: false });
  const { get } = await serve(t, {
    imports: [CachingModule.forRoot({ caching })],
    controllers: [Users],
    providers: [Mailer],
  });
  await get('/');
  t.is(await jobs(caching).queue(emails).getWaitingCount(), 1);
  t.is((await jobs(caching).queue(emails).getWorkers()).length, 0);
  t.deepEqual(sent, []);
});

test('the application that makes its Caching closes it after its workers', async (t) => {
  const { sent, Mailer } = parts();
  const adapter = ioredis(redis().url);
  const app = await created({
    imports: [CachingModule.forRoot({ adapter, namespace: 'nest-own' })],
    providers: [Mailer],
  });
  await app.init();
  await jobs(app.get(Caching)).add(emails, 'ada');
  await eventually('processed', () => sent.length === 1);
  await app.close();
  t.deepEqual(sent, ['ada true']);
});
