import test from 'ava';
import type { Job } from 'bullmq';
import { Redis as Redis5 } from 'ioredis5';
import { z } from 'zod';
import { defineQueue, jobs, Processes, startWorkers } from '../../../src/adapters/bullmq/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import {
  Caching,
  KeyError,
  MissingContextError,
  OptionsError,
  StoreSetupError,
  StoreUnavailableError,
  ValueError,
  withContext,
} from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import { redisForFile } from '../../support/servers.js';
import { cachingWithJobs, errorsOf } from './jobs-rig.js';

const redis = redisForFile(test);

interface Email {
  readonly to: string;
}
const emails = defineQueue<Email, string>('emails');
const orders = defineQueue('orders', { schema: z.object({ id: z.string(), at: z.coerce.date() }) });

test('a job is processed with its data, and its result and progress are events', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  class Mailer {
    readonly name = 'mailer';
    @Processes(emails, { concurrency: 2, limiter: { max: 100, duration: '1s' }, bullmq: { drainDelay: 3 } })
    async send({ to }: Email, job: Job<Email, string>, signal: AbortSignal): Promise<string> {
      await job.updateProgress({ percent: 50 });
      return `${this.name} ${to} ${job.name} ${signal.aborted}`;
    }
  }
  const events = jobs(caching).events(emails);
  t.is(jobs(caching).events(emails), events);
  await events.waitUntilReady();
  const progress: unknown[] = [];
  events.on('progress', ({ data }) => progress.push(data));
  const { workers, ready } = startWorkers(caching, new Mailer());
  await ready();
  t.is(workers[0]?.concurrency, 2);
  t.like(workers[0]?.opts, { limiter: { max: 100, duration: 1_000 }, drainDelay: 3, lockDuration: 30_000 });
  const job = await jobs(caching).add(emails, { to: 'ada' });
  const result: string = await job.waitUntilFinished(events);
  t.is(result, 'mailer ada emails false');
  t.deepEqual(progress, [{ percent: 50 }]);
  t.deepEqual(await jobs(caching).queue(emails).getJobCounts('completed', 'failed'), {
    completed: 1,
    failed: 0,
  });
});

test('data that the schema rejects is not enqueued, and what it transforms is as JSON keeps it', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const got: unknown[] = [];
  class Orders {
    @Processes(orders)
    async place({ id, at }: { id: string; at: Date }): Promise<void> {
      got.push([id, at.getTime()]);
    }
  }
  const error = await t.throwsAsync(jobs(caching).add(orders, { id: 1 as unknown as string, at: '2026' }), {
    instanceOf: ValueError,
  });
  t.is(error?.reason, 'rejected');
  t.regex(error?.message ?? '', /queue 'orders' accepts: id: .*Nothing was enqueued\.$/);
  await t.throwsAsync(jobs(caching).schedule(orders, 'x', { every: '1h' }, { id: '1', at: 'never' }), {
    instanceOf: ValueError,
  });
  t.is(await jobs(caching).queue(orders).count(), 0);
  t.is(await jobs(caching).queue(orders).getJobSchedulersCount(), 0);
  startWorkers(caching, new Orders());
  await jobs(caching).add(orders, { id: '1', at: new Date(5) });
  await eventually('processed', () => got.length > 0);
  t.deepEqual(got, [['1', 5]]);
});

test('stored data that the schema rejects fails the job without retries, and the method is not called', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const errors = errorsOf(t, caching);
  class Orders {
    @Processes(orders)
    async place(): Promise<void> {
      t.fail();
    }
  }
  const queue = jobs(caching).queue(orders);
  const job = await queue.add('orders', { id: 2 } as never, { attempts: 5 });
  startWorkers(caching, new Orders());
  await eventually('failed', () => job.isFailed());
  const stored = await queue.getJob(job.id!);
  t.is(stored?.attemptsMade, 1);
  t.regex(
    stored?.failedReason ?? '',
    /schema of queue 'orders' accepts: id: .*Job 1 has failed, and is not retried\./,
  );
  t.like(errors[0], { operation: 'job', key: 'orders', method: 'Orders.place' });
});

test('data that JSON changes is refused, and says where and how to mend it', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const any = defineQueue<unknown>('any');
  class User {}
  for (const [data, message] of [
    [{ at: new Date(0) }, /'at' is an instance of Date, which comes back as a string; pass toISOString\(\)/],
    [{ users: [{ user: new User() }] }, /'user' is an instance of User, which comes back without its class/],
    [new Map(), /it is an instance of Map/],
    [{ n: 1n }, /'n' is 1n, which JSON cannot hold/],
    [{ n: Number.NaN }, /'n' is NaN, which comes back as null/],
    [[undefined], /'0' is undefined, which comes back as null/],
    [{ f: () => {} }, /'f' is a function, which JSON leaves out/],
    [undefined, /undefined was given\. Pass null/],
  ] as const) {
    const error = await t.throwsAsync(jobs(caching).add(any, data), { instanceOf: ValueError, message });
    t.is(error?.reason, 'unsupported');
  }
  const circular: { self?: unknown } = {};
  circular.self = circular;
  await t.throwsAsync(jobs(caching).add(any, circular), { instanceOf: ValueError, message: /circular/ });
  t.is(await jobs(caching).queue(any).count(), 0);
  // An optional property that is undefined comes back as none.
  for (const data of [null, 'text', 0, [], { a: undefined, b: [{ c: true }] }, Object.create(null)]) {
    await jobs(caching).add(any, data);
  }
  t.is(await jobs(caching).queue(any).count(), 6);
});

test('a job that fails is run again after its back-off, as often as attempts says', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const errors = errorsOf(t, caching);
  const attempts: number[] = [];
  class Mailer {
    @Processes(emails, { bullmq: { settings: { backoffStrategy: (made) => made } } })
    async send(_data: Email, job: Job<Email, string>): Promise<string> {
      attempts.push(job.attemptsMade);
      if (attempts.length < 4) throw new Error(`attempt ${attempts.length}`);
      return 'sent';
    }
  }
  startWorkers(caching, new Mailer());
  const job = await jobs(caching).add(emails, { to: 'ada' }, { attempts: 4, backoff: { type: 'own' } });
  await eventually('completed', () => job.isCompleted());
  t.deepEqual(attempts, [0, 1, 2, 3]);
  t.deepEqual(
    errors.map(({ operation, error }) => `${operation} ${(error as Error).message}`),
    ['job attempt 1', 'job attempt 2', 'job attempt 3'],
  );
});

test('the options of a job are those of BullMQ, with durations', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const typed = defineQueue<null>('typed', {
    defaultJobOptions: { attempts: 3, backoff: '2s', removeOnFail: { age: '1m' }, bullmq: { keepLogs: 7 } },
  });
  const plain = await jobs(caching).add(defineQueue<null>('plain'), null);
  t.like(plain.opts, { attempts: 0, removeOnComplete: { age: 86_400, count: 1_000 } });
  const first = await jobs(caching).add(typed, null);
  t.like(first.opts, {
    attempts: 3,
    backoff: { type: 'fixed', delay: 2_000 },
    removeOnFail: { age: 60 },
    keepLogs: 7,
  });
  const second = await jobs(caching).add(typed, null, {
    delay: '10s',
    attempts: 1,
    backoff: { type: 'exponential', delay: '1s', jitter: 0.5 },
    priority: 3,
    lifo: true,
    removeOnComplete: { age: '1500ms', count: 2 },
    removeOnFail: 5,
    name: 'other',
    bullmq: { sizeLimit: 100 },
  });
  t.is(second.name, 'other');
  t.like(second.opts, {
    delay: 10_000,
    attempts: 1,
    backoff: { type: 'exponential', delay: 1_000, jitter: 0.5 },
    priority: 3,
    lifo: true,
    removeOnComplete: { age: 2, count: 2 },
    removeOnFail: 5,
    keepLogs: 7,
    sizeLimit: 100,
  });
  t.true(await second.isDelayed());
  // Those of the definition are also the defaults of the queue of BullMQ.
  t.like((await jobs(caching).queue(typed).add('raw', null)).opts, { attempts: 3, keepLogs: 7 });
  await second.promote();
  t.is(await second.getState(), 'prioritized');
});

test('of jobs with one key, one is added, for each tenant', async (t) => {
  const caching = cachingWithJobs(t, redis().url, {}, { context: ['tenant'] });
  const deduplication = { key: ['welcome', 'a:b'], ttl: '1m' } as const;
  const add = (to: string) => jobs(caching).add(emails, { to }, { deduplication });
  await withContext({ tenant: 'acme' }, async () => {
    const first = await add('1');
    const second = await add('2');
    t.is(second.id, first.id);
    t.deepEqual(first.opts.deduplication, { id: '[tenant=acme]welcome:a%3Ab', ttl: 60_000 });
    t.is((await jobs(caching).add(emails, { to: '3' }, { jobId: 'mail-1' })).id, '[tenant=acme]mail-1');
    t.is((await jobs(caching).add(emails, { to: '4' }, { jobId: 'mail-1', context: false })).id, 'mail-1');
  });
  await withContext({ tenant: 'other' }, () => add('3'));
  await t.throwsAsync(add('4'), {
    instanceOf: MissingContextError,
    message: /add to 'emails' needs the part 'tenant'/,
  });
  // Without a key there is nothing that tenants could share.
  await jobs(caching).add(emails, { to: '5' });
  t.is(await jobs(caching).queue(emails).count(), 5);
});

test('a job with the id of another one is not added, also when that has finished', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  class Mailer {
    @Processes(emails)
    send({ to }: Email): string {
      return to;
    }
  }
  startWorkers(caching, new Mailer());
  const job = await jobs(caching).add(emails, { to: 'ada' }, { jobId: 'mail-1' });
  await eventually('completed', () => job.isCompleted());
  await jobs(caching).add(emails, { to: 'bob' }, { jobId: 'mail-1' });
  const stored = await jobs(caching).queue(emails).getJob('mail-1');
  t.is(stored?.returnvalue, 'ada');
  for (const jobId of ['mail:1', '7', ['mail', 1]] as const) {
    await t.throwsAsync(jobs(caching).add(emails, { to: 'x' }, { jobId }), {
      instanceOf: KeyError,
      message: /jobId of .* is a key without ':' that is not a number, such as 'welcome-42'/,
    });
  }
});

test('a scheduler makes jobs, and there is one for its id', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const seen: unknown[] = [];
  class Mailer {
    @Processes(emails)
    send({ to }: Email, { name }: Job): string {
      seen.push([to, name]);
      return to;
    }
  }
  startWorkers(caching, new Mailer());
  const queues = jobs(caching);
  await queues.schedule(
    emails,
    'often',
    { every: 50, limit: 2 },
    { to: 'ada' },
    { name: 'tick', attempts: 2 },
  );
  await eventually('two jobs', () => seen.length === 2);
  t.deepEqual(seen, [
    ['ada', 'tick'],
    ['ada', 'tick'],
  ]);
  for (const tz of ['Europe/Berlin', 'UTC'] as const) {
    await queues.schedule(emails, 'nightly', { pattern: '0 3 * * *', tz }, { to: 'bob' });
  }
  const schedulers = await queues.queue(emails).getJobSchedulers();
  const [nightly, ...others] = schedulers.filter(({ key }) => key === 'nightly');
  t.is(others.length, 0);
  t.like(nightly, { key: 'nightly', pattern: '0 3 * * *', tz: 'UTC', template: { data: { to: 'bob' } } });
  const both = { every: '1h', pattern: '* * * * *' } as never;
  await t.throwsAsync(queues.schedule(emails, 'x', both, { to: '' }), {
    message: /one of every and pattern.*both/,
  });
  await t.throwsAsync(queues.schedule(emails, 'x', {} as never, { to: '' }), {
    message: /; neither was given/,
  });
  await t.throwsAsync(queues.schedule(emails, '', { every: '1h' }, { to: '' }), {
    message: /id of a scheduler/,
  });
});

test('an adapter without Redis is refused with the fix, and the jobs may have a Redis of their own', async (t) => {
  const caching = new Caching({ adapter: memory(), namespace: 'none' });
  t.teardown(() => caching.close());
  const expected = {
    instanceOf: StoreSetupError,
    message: /needs Redis.*jobs\(caching, \{ connection: ioredis\('redis:\/\/\.\.\.'\) \}\)/,
  };
  await t.throwsAsync(jobs(caching).add(emails, { to: 'ada' }), expected);
  t.throws(() => jobs(caching).queue(emails), expected);
  t.throws(() => jobs(caching).events(emails), expected);
  t.throws(() => jobs(caching).prefix, expected);

  const own = cachingWithJobs(t, redis().url, { connection: ioredis(redis().url) }, { adapter: memory() });
  await jobs(own).add(emails, { to: 'ada' });
  t.is(await jobs(own).queue(emails).count(), 1);
});

test('an existing client of ioredis 5 is a template, its keyPrefix is kept, and keys have the namespace', async (t) => {
  const { host, port } = redis();
  const client = new Redis5({ host, port, keyPrefix: 'app:', lazyConnect: true });
  const adapter = ioredis(client);
  const caching = cachingWithJobs(t, redis().url, {}, { adapter, namespace: 'shop' });
  class Mailer {
    @Processes(emails)
    send({ to }: Email): string {
      return to;
    }
  }
  startWorkers(caching, new Mailer());
  const job = await jobs(caching).add(emails, { to: 'ada' });
  await eventually('completed', () => job.isCompleted());
  t.is(client.status, 'wait');
  t.is(jobs(caching).prefix, 'app:shop:queue:{shop:queue}');
  t.is(jobs(caching).queue(emails).toKey('wait'), 'app:shop:queue:{shop:queue}:emails:wait');
});

test('with enabled: false, add and schedule reject, and no worker is started', async (t) => {
  const caching = cachingWithJobs(t, redis().url, {}, { enabled: false });
  class Mailer {
    @Processes(emails)
    send(): string {
      return '';
    }
  }
  await t.throwsAsync(jobs(caching).add(emails, { to: '' }), {
    instanceOf: OptionsError,
    message: /enabled: false/,
  });
  await t.throwsAsync(jobs(caching).schedule(emails, 'a', { every: 1 }, { to: '' }), {
    message: /enabled: false/,
  });
  const workers = startWorkers(caching, new Mailer());
  t.deepEqual(workers.workers, []);
  await workers.ready();
  await workers.close();
});

test('what is not a queue, a Caching or an option is refused', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  t.throws(() => jobs({} as never), {
    message: /jobs\(caching\) takes a Caching, and a plain object was given/,
  });
  t.throws(() => jobs(caching, { timeout: '1s' }), {
    message: /with options after the jobs of .* were used/,
  });
  t.throws(() => jobs(new Caching({ adapter: memory() }), { connection: memory() }), {
    message: /connection of jobs\(caching, \{ \.\.\. \}\) is an adapter of Redis/,
  });
  await t.throwsAsync(jobs(caching).add({ name: 'emails' } as never, null as never), {
    message: /takes a queue, such as defineQueue\('emails'\), and a plain object was given/,
  });
  for (const name of ['', 'a:b', 'a b', 'x'.repeat(101), 1]) {
    t.throws(() => defineQueue(name as string), {
      instanceOf: OptionsError,
      message: /name of defineQueue is/,
    });
  }
  t.throws(() => defineQueue('a', { schema: {} as never }), { message: /schema of defineQueue\('a'/ });
  t.throws(() => defineQueue('a', { defaultJobOptions: { attempts: 0 } }), {
    message: /attempts of defaultJobOptions of defineQueue\('a', \{ \.\.\. \}\) is a whole number, 1 or more/,
  });
  for (const [options, message] of [
    [{ delay: 'soon' }, /delay of jobs\(caching\)\.add to 'emails' is a duration/],
    [{ backoff: { type: 'fixed', delay: 'soon' } }, /backoff of/],
    [{ backoff: { type: 'fixed', pause: 1 } }, /backoff of/],
    [{ backoff: { type: 'fixed', jitter: 2 } }, /backoff of/],
    [{ removeOnComplete: { age: 'old' } }, /removeOnComplete of/],
    [{ removeOnComplete: {} }, /removeOnComplete of/],
    [{ removeOnFail: -1 }, /removeOnFail of/],
    [{ priority: 3_000_000 }, /priority of/],
    [{ deduplication: 'key' }, /deduplication of/],
    [{ deduplication: { key: 'a', tll: 1 } }, /deduplication of .* has no option 'tll'/],
    [{ retries: 1 }, /has no option 'retries'/],
  ] as const) {
    await t.throwsAsync(jobs(caching).add(emails, { to: '' }, options as never), {
      instanceOf: OptionsError,
      message,
    });
  }
  t.throws(() => startWorkers(caching, {}), {
    message: /a method that has @Processes, and a plain object was given/,
  });
  t.throws(() => startWorkers({} as never, {}), { message: /takes a Caching/ });
});

test('after close() everything is refused, and nothing is opened', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  class Mailer {
    @Processes(emails)
    send(): string {
      return '';
    }
  }
  await jobs(caching).add(emails, { to: 'ada' });
  await caching.close();
  const expected = { instanceOf: StoreUnavailableError };
  t.is((await t.throwsAsync(jobs(caching).add(emails, { to: 'ada' }), expected))?.outcome, 'refused');
  t.throws(() => jobs(caching).queue(defineQueue('other')), expected);
  t.throws(() => jobs(caching).events(emails), expected);
  t.throws(() => startWorkers(caching, new Mailer()), expected);
});

test('a job runs in none of the contexts of the call that has started its worker', async (t) => {
  const caching = cachingWithJobs(t, redis().url, {}, { context: ['tenant'], defaults: { ttl: '1m' } });
  class Mailer {
    @Processes(emails)
    async send({ to }: Email): Promise<string> {
      const key = (): Promise<string> => caching.cache.getOrSet('user', async () => to);
      await t.throwsAsync(key, { instanceOf: MissingContextError });
      return withContext({ tenant: to }, key);
    }
  }
  withContext({ tenant: 'acme' }, () => startWorkers(caching, new Mailer()));
  const job = await jobs(caching).add(emails, { to: 'other' });
  await eventually('completed', () => job.isCompleted());
  t.is((await jobs(caching).queue(emails).getJob(job.id!))?.returnvalue, 'other');
});
