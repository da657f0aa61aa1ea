/** What of jobs must not compile, in both modes. */
import type { Job } from 'bullmq';
import { z } from 'zod';
import type { Caching } from '../../src/index.js';
import { defineQueue, Enqueues, jobs, Processes } from '../../src/adapters/bullmq/index.js';

interface User {
  readonly id: string;
  readonly name: string;
}
declare const caching: Caching;

const typed = defineQueue<User, number>('typed');
const loose = defineQueue<{ to: string }>('loose');
const schema = defineQueue('schema', { schema: z.object({ id: z.string() }) });
const times = defineQueue('times', { schema: z.string().transform((text) => new Date(text)) });
const queues = jobs(caching);

void queues.add(typed, { id: '1' }); // error: Property 'name' is missing
void queues.add(schema, { id: 1 }); // error: Type 'number' is not assignable to type 'string'
void queues.add(times, new Date()); // error: not assignable to parameter of type 'string'
void queues.add('typed', 1); // error: not assignable to parameter of type 'JobQueue
void queues.add(loose, { to: '' }, { delay: 'soon' }); // error: Type '"soon"' is not assignable to type 'Duration
void queues.add(loose, { to: '' }, { retries: 1 }); // error: 'retries' does not exist
void queues.add(loose, { to: '' }, { deduplication: { ttl: 1 } }); // error: Property 'key' is missing
void queues.schedule(loose, 'id', {}, { to: '' }); // error: is not assignable to parameter of type 'Repeat'
void queues.schedule(loose, 'id', { every: 1, pattern: '' }, { to: '' }); // error: is not assignable to parameter of type 'Repeat'
jobs(caching, { connection: 'redis://localhost' }); // error: Type 'string' is not assignable to type 'Adapter
defineQueue('orders', { schema: {} }); // error: No overload matches this call

export class Users {
  // error: Type 'number' is not assignable to type 'string'
  @Enqueues(loose, { data: (user) => ({ to: user.name.length }) })
  async save(user: User): Promise<User> {
    return user;
  }

  // error: Property 'data' is missing
  @Enqueues(loose, { attempts: 3 })
  async attempts(user: User): Promise<User> {
    return user;
  }

  // error: {0.age} is not a scalar argument of the method
  @Enqueues(loose, { data: () => ({ to: '' }), jobId: 'mail-{0.age}' })
  async template(user: User): Promise<User> {
    return user;
  }

  // error: {1} is not a scalar argument of the method
  @Enqueues(loose, { data: () => ({ to: '' }), deduplication: { key: 'mail:{1}' } })
  async key(user: User): Promise<User> {
    return user;
  }

  // error: is not assignable to
  @Enqueues(loose, { data: () => ({ to: '' }) })
  sync(user: User): User {
    return user;
  }

  // error: Property 'age' is missing in type 'User'
  @Processes(typed)
  async data(_user: { readonly age: number }): Promise<number> {
    return 1;
  }

  // error: is not assignable to
  @Processes(typed)
  async result(_user: User): Promise<string> {
    return '';
  }

  // error: is not assignable to
  @Processes(times)
  async transformed(_at: string): Promise<void> {}

  // error: is not assignable to
  @Processes(typed)
  async job(_user: User, _job: Job<{ age: number }>): Promise<number> {
    return 1;
  }

  // error: is not assignable to
  @Processes(typed)
  async four(_user: User, _job: Job, _signal: AbortSignal, _more: string): Promise<number> {
    return 1;
  }

  // error: 'concurency' does not exist
  @Processes(typed, { concurency: 1 })
  async options(_user: User): Promise<number> {
    return 1;
  }
}
