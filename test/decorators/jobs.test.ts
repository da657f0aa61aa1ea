import test from 'ava';
import type { Job } from 'bullmq';
import { z } from 'zod';
import { defineQueue, Enqueues, jobs, Processes, startWorkers } from '../../src/adapters/bullmq/index.js';
import { memory } from '../../src/adapters/memory/index.js';
import {
  bindCaching,
  Caching,
  DecorationError,
  EnqueueError,
  KeyError,
  MissingContextError,
  OptionsError,
  StoreSetupError,
  StoreUnavailableError,
  ValueError,
  withCaching,
  withContext,
} from '../../src/index.js';
import { cachingWithJobs, errorsOf } from '../adapters/bullmq/jobs-rig.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { redisForFile } from '../support/servers.js';

const redis = redisForFile(test);

interface User {
  readonly id: string;
  readonly name: string;
}
interface Welcome {
  readonly to: string;
  readonly by?: string;
}
type AnyDecorator = (...args: unknown[]) => void;

const welcomes = defineQueue<Welcome, string>('welcomes');
const strict = defineQueue('strict', { schema: z.object({ to: z.string().min(3) }) });

test('@Enqueues adds a job after the method has succeeded, before its promise resolves', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const queue = jobs(caching).queue(welcomes);
  class Users {
    readonly by = 'users';

    @Enqueues(welcomes, {
      data(user, name) {
        return { to: `${user.id} ${name}`, by: this.by };
      },
      jobName: 'welcome',
      delay: '1h',
      attempts: 3,
      backoff: { type: 'exponential', delay: '1s' },
      priority: 2,
    })
    async register(name: string): Promise<User> {
      t.is(await queue.count(), 0);
      if (name === '') throw new Error('no name');
      return { id: '1', name };
    }
  }
  const users = new Users();
  bindCaching(users, caching);
  await t.throwsAsync(users.register(''), { message: 'no name' });
  t.is(await queue.count(), 0);
  t.deepEqual(await users.register('ada'), { id: '1', name: 'ada' });
  const [job] = await queue.getDelayed();
  t.deepEqual(job?.data, { to: '1 ada', by: 'users' });
  t.is(job?.name, 'welcome');
  t.like(job?.opts, {
    delay: 3_600_000,
    attempts: 3,
    backoff: { type: 'exponential', delay: 1_000 },
    priority: 2,
  });
});

test('when and unless decide whether a call enqueues', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  class Users {
    @Enqueues(welcomes, {
      data: (id) => ({ to: id }),
      when: (id) => id !== '1',
      unless: (result) => result === '2',
    })
    async find(id: string): Promise<string> {
      return id;
    }
  }
  const users = new Users();
  bindCaching(users, caching);
  for (const id of ['1', '2', '3']) t.is(await users.find(id), id);
  t.deepEqual(
    (await jobs(caching).queue(welcomes).getWaiting()).map(({ data }) => data.to),
    ['3'],
  );
});

test('jobId and the key of deduplication are templates or functions, and have the context', async (t) => {
  const caching = cachingWithJobs(t, redis().url, {}, { context: ['tenant'] });
  class Users {
    runs = 0;

    @Enqueues(welcomes, { data: ({ id }) => ({ to: id }), jobId: 'welcome-{0.id}' })
    async byTemplate(user: User): Promise<User> {
      this.runs += 1;
      return user;
    }

    @Enqueues(welcomes, {
      data: ({ id }) => ({ to: id }),
      jobId: (saved, user) => ['by', saved.id + user.name].join('-'),
      context: false,
    })
    async byFunction(user: User): Promise<User> {
      return user;
    }

    @Enqueues(welcomes, {
      data: ({ id }) => ({ to: id }),
      deduplication: { key: 'welcome:{0.id}', ttl: '1m', replace: true },
    })
    async byKey(user: User): Promise<User> {
      return user;
    }

    @Enqueues(welcomes, {
      data: ({ id }) => ({ to: id }),
      deduplication: { key: (saved) => ['welcome', saved.id] },
    })
    async byKeys(user: User): Promise<User> {
      return user;
    }
  }
  const users = new Users();
  bindCaching(users, caching);
  const ada: User = { id: 'a:1', name: 'ada' };
  const queue = jobs(caching).queue(welcomes);
  await withContext({ tenant: 'acme' }, async () => {
    await users.byTemplate(ada);
    await users.byTemplate(ada);
    await users.byFunction({ ...ada, id: '1' });
    await users.byKey(ada);
    await users.byKeys(ada);
  });
  const found = await queue.getWaiting();
  t.deepEqual(
    found.map(({ id, opts }) => opts.deduplication ?? id),
    [
      '[tenant=acme]welcome-a%3A1',
      'by-1ada',
      { id: '[tenant=acme]welcome:a%3A1', ttl: 60_000, replace: true },
    ],
  );
  // Without the part of the tenant, the method does not run.
  await t.throwsAsync(users.byTemplate(ada), {
    instanceOf: MissingContextError,
    message: /Users\.byTemplate/,
  });
  t.is(users.runs, 2);
});

test('a job that cannot be made rejects the call with the result of the method', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const failure = new Error('no data');
  class Users {
    @Enqueues(strict, { data: (result) => ({ to: result }), onUnavailable: 'report' })
    async short(): Promise<string> {
      return 'a';
    }

    @Enqueues(strict, {
      data: () => {
        throw failure;
      },
    })
    async throwing(): Promise<string> {
      return 'b';
    }

    @Enqueues(strict, { data: () => ({ to: 'ada' }), jobId: '{0}' })
    async number(id: string): Promise<string> {
      return id;
    }
  }
  const users = new Users();
  bindCaching(users, caching);
  const rejected = await t.throwsAsync(users.short(), { instanceOf: EnqueueError });
  t.is(rejected?.result, 'a');
  t.is(rejected?.code, 'E_ENQUEUE');
  t.true(rejected?.cause instanceof ValueError);
  t.regex(
    rejected?.message ?? '',
    /^@Enqueues on Users\.short has succeeded, and its job was not added to queue 'strict': Expected data that the schema/,
  );
  const thrown = await t.throwsAsync(users.throwing(), { instanceOf: EnqueueError });
  t.is(thrown?.cause, failure);
  const id = await t.throwsAsync(users.number('42'), { instanceOf: EnqueueError });
  t.true(id?.cause instanceof KeyError);
  t.is(await jobs(caching).queue(strict).count(), 0);
});

test('while Redis is away the call rejects with the result, or with report returns it and publishes an error', async (t) => {
  const caching = cachingWithJobs(t, `redis://127.0.0.1:${await freePort()}`, { timeout: '10ms' });
  const errors = errorsOf(t, caching);
  class Users {
    @Enqueues(welcomes, { data: (to) => ({ to }) })
    async throwing(): Promise<string> {
      return 'a';
    }

    @Enqueues(welcomes, { data: (to) => ({ to }), onUnavailable: 'report' })
    async reporting(): Promise<string> {
      return 'b';
    }
  }
  const users = new Users();
  bindCaching(users, caching);
  const error = await t.throwsAsync(users.throwing(), { instanceOf: EnqueueError });
  t.is(error?.result, 'a');
  t.like(error?.cause, { code: 'E_STORE_UNAVAILABLE', outcome: 'refused' });
  t.is(await users.reporting(), 'b');
  const published = errors.filter(({ operation }) => operation === 'enqueue');
  t.is(published.length, 1);
  t.like(published[0], { key: 'welcomes', method: 'Users.reporting' });
  t.true(published[0]?.error instanceof StoreUnavailableError);
});

test('without Redis the method does not run, and with enabled: false it runs and enqueues nothing', async (t) => {
  const withoutRedis = new Caching({ adapter: memory() });
  const disabled = new Caching({ adapter: memory(), enabled: false });
  let runs = 0;
  class Users {
    @Enqueues(welcomes, { data: (to) => ({ to }) })
    async save(): Promise<string> {
      runs += 1;
      return 'a';
    }
  }
  await t.throwsAsync(
    withCaching(withoutRedis, () => new Users().save()),
    { instanceOf: StoreSetupError },
  );
  t.is(runs, 0);
  t.is(await withCaching(disabled, () => new Users().save()), 'a');
});

test('@Enqueues checks its options while the class is defined', (t) => {
  const expectations: readonly (readonly [options: object, message: RegExp])[] = [
    [{}, /@Enqueues on save has no data\. Give it a function/],
    [
      { data: () => ({ to: '' }), jobId: 'welcome:{0}' },
      /jobId of @Enqueues on save is a template without ':'/,
    ],
    [
      { data: () => ({ to: '' }), jobId: '{x}' },
      /jobId of @Enqueues on save: '\{x\}' is not a valid key template/,
    ],
    [{ data: () => ({ to: '' }), deduplication: { key: '{x}' } }, /deduplication\.key of @Enqueues on save/],
    [
      { data: () => ({ to: '' }), deduplication: { key: 'a', ttl: 0 } },
      /ttl of deduplication of @Enqueues on save/,
    ],
    [{ data: () => ({ to: '' }), retries: 3 }, /@Enqueues on save has no option 'retries'/],
  ];
  for (const [options, message] of expectations) {
    t.throws(
      () => {
        class Users {
          @Enqueues(welcomes, options as never)
          async save(): Promise<void> {}
        }
        return Users;
      },
      { instanceOf: OptionsError, message },
    );
  }
  t.throws(
    () => {
      class Users {
        @Enqueues({ name: 'welcomes' } as never, { data: () => ({}) } as never)
        async save(): Promise<void> {}
      }
      return Users;
    },
    { message: /@Enqueues on save takes a queue, such as defineQueue\('emails'\)/ },
  );
});

test('@Processes: inherited, overridden, with other decorators, and several on one class', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const seen: string[] = [];
  class Base {
    readonly name: string;
    constructor(name: string) {
      this.name = name;
    }

    @Processes(welcomes, { concurrency: 2 })
    async welcome({ to }: Welcome, job: Job<Welcome, string>): Promise<string> {
      seen.push(`${this.name} ${to} ${job.queueName}`);
      return to;
    }
  }
  class Users extends Base {
    override async welcome(data: Welcome, job: Job<Welcome, string>): Promise<string> {
      return super.welcome({ to: `${data.to}!` }, job);
    }

    @Processes(strict)
    @Enqueues(welcomes, { data: (_result, { to }) => ({ to }) })
    async strictly({ to }: { readonly to: string }): Promise<void> {
      seen.push(to);
    }
  }
  const users = new Users('users');
  bindCaching(users, caching);
  const started = startWorkers(caching, users);
  t.is(startWorkers(caching, users), started);
  t.deepEqual(
    started.workers.map(({ name, concurrency }) => [name, concurrency]),
    [
      ['welcomes', 2],
      ['strict', 1],
    ],
  );
  await jobs(caching).add(strict, { to: 'ada' });
  await eventually('both', () => seen.length === 2);
  t.deepEqual(seen, ['ada', 'users ada! welcomes']);
  await started.close();
  t.not(startWorkers(caching, users), started);
});

test('@Processes is only for methods of instances', (t) => {
  const refused = { instanceOf: DecorationError };
  t.throws(
    () => {
      class Users {
        @(Processes(welcomes) as AnyDecorator)
        static async welcome(): Promise<string> {
          return '';
        }
      }
      return Users;
    },
    {
      ...refused,
      message: /@Processes on welcome is on a static method\. @Processes decorates methods of instances/,
    },
  );
  t.throws(() => {
    class Users {
      @(Processes(welcomes) as AnyDecorator)
      welcome = '';
    }
    return Users;
  }, refused);
  t.throws(() => {
    @(Processes(welcomes) as AnyDecorator)
    class Users {}
    return Users;
  }, refused);
  t.throws(
    () => {
      class Users {
        @Processes(welcomes, { concurrency: 0 })
        async welcome(): Promise<string> {
          return '';
        }
      }
      return Users;
    },
    {
      instanceOf: OptionsError,
      message: /concurrency of @Processes on welcome is a whole number, 1 or more/,
    },
  );
});
