/** What jobs compile, in both modes. */
import type { Job, Queue, QueueEvents } from 'bullmq';
import { z } from 'zod';
import type { Caching } from '../../src/index.js';
import {
  defineQueue,
  Enqueues,
  jobs,
  Processes,
  startWorkers,
  type JobQueue,
} from '../../src/adapters/bullmq/index.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <T extends true>(): T => true as T;

interface User {
  readonly id: string;
  readonly name: string;
}
declare const caching: Caching;

const typed = defineQueue<User, number>('typed', { defaultJobOptions: { attempts: 3, backoff: '1s' } });
const loose = defineQueue<{ to: string }>('loose');
const schema = defineQueue('schema', { schema: z.object({ id: z.string(), at: z.coerce.date() }) });
const numberSchema = z.number();
const withResult = defineQueue<typeof numberSchema, string>('result', { schema: numberSchema });
const union = defineQueue<{ kind: 'a' } | { kind: 'b'; n: number }>('union');

is<Equal<typeof typed, JobQueue<User, number>>>();
is<Equal<typeof loose, JobQueue<{ to: string }>>>();
is<Equal<typeof withResult, JobQueue<number, string>>>();

const queues = jobs(caching);
export const added: Promise<Job<User, number>> = queues.add(
  typed,
  { id: '1', name: 'Ada' },
  { delay: '10s' },
);
export const others = [
  queues.add(schema, { id: '1', at: '2026-01-01' }, { jobId: ['mail', 1], priority: 2 }),
  queues.add(union, { kind: 'b', n: 1 }, { deduplication: { key: 'union', ttl: '1m' } }),
  queues.schedule(loose, 'often', { every: '1h', limit: 3 }, { to: 'ada' }),
  queues.schedule(loose, 'nightly', { pattern: '0 3 * * *', tz: 'UTC' }, { to: 'ada' }, { attempts: 2 }),
];
export const queue: Queue<User, number> = queues.queue(typed);
export const events: QueueEvents = queues.events(schema);
export const ended: Promise<void> = startWorkers(caching, new Object()).close();

export class Users {
  readonly by: string = 'users';

  @Enqueues(loose, { data: (user, first) => ({ to: user.id + first.name }) })
  async save(user: User): Promise<User> {
    return user;
  }

  @Enqueues(loose, {
    data(_result, id) {
      return { to: this.by + id };
    },
    jobId: 'mail-{0}',
    deduplication: { key: 'mail:{0}', ttl: '1h', extend: true },
    delay: '10s',
    attempts: 5,
    backoff: { type: 'exponential', delay: '1s', jitter: 0.5 },
    removeOnComplete: { age: '1d', count: 10 },
    when: (id) => id !== '',
    unless: (count) => count === 0,
    onUnavailable: 'report',
    jobName: 'mail',
    bullmq: { sizeLimit: 100 },
  })
  async count(_id: string): Promise<number> {
    return 1;
  }

  @Enqueues(typed, {
    data: (user) => user,
    jobId: (user, id) => ['user', user.id, id],
    deduplication: { key: (user) => user.id },
  })
  async find(id: string): Promise<User> {
    return { id, name: this.by };
  }
}

export class Workers {
  readonly seen: string[] = [];

  @Processes(typed)
  async typed(user: User, job: Job<User, number>, signal: AbortSignal): Promise<number> {
    await job.updateProgress(50);
    return signal.aborted ? 0 : user.name.length;
  }

  // Less is enough.
  @Processes(typed, { concurrency: 4, lockDuration: '1m', limiter: { max: 10, duration: '1s' } })
  sync({ id }: { readonly id: string }): number {
    return id.length;
  }

  @Processes(loose, { bullmq: { name: 'mailer', settings: { backoffStrategy: () => 1 } } })
  async loose(data: unknown, job: Job): Promise<void> {
    this.seen.push(String(data) + job.name);
  }

  // The data as it is stored is not what the schema returns.
  @Processes(schema)
  schema({ at }: { id: string; at: Date }, job: Job<{ id: string; at: unknown }>): string {
    return at.toISOString() + String(job.data.at);
  }

  @Processes(union)
  union(data: { kind: 'a' } | { kind: 'b'; n: number }): string {
    return data.kind;
  }
}
