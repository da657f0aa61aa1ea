import { Caching } from 'cachement';
import { defineQueue, Enqueues, jobs, Processes } from 'cachement/bullmq';
import { ioredis } from 'cachement/ioredis';
import type { Job } from 'bullmq';

const emails = defineQueue<{ readonly to: string }, string>('emails');

export class Users {
  @Enqueues(emails, { data: (to) => ({ to }), jobId: 'welcome-{0}', delay: '10s' })
  async register(to: string): Promise<string> {
    return to;
  }

  @Processes(emails, { concurrency: 2 })
  async welcome({ to }: { readonly to: string }, { id }: Job): Promise<string> {
    return `${to} ${id}`;
  }
}

async function main(): Promise<void> {
  // Nothing listens on port 1, and nothing needs to.
  const caching = new Caching({ adapter: ioredis('redis://127.0.0.1:1'), namespace: 'shop' });
  const queue = jobs(caching).queue(emails);
  console.log(`queue ${queue.name} of ${jobs(caching).prefix.split(':')[0]}`);
  await caching.close();
}

void main();
