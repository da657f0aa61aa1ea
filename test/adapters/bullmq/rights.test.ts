import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type { Job } from 'bullmq';
import { Redis } from 'ioredis';
import { jobs, Processes, startWorkers } from '../../../src/adapters/bullmq/index.js';
import { eventually } from '../../support/eventually.js';
import { projectFolder } from '../../support/project-folder.js';
import { startRedis } from '../../support/servers.js';
import { cachingWithJobs, errorsOf, numbers } from './jobs-rig.js';

test('a user with the rights in docs/jobs.md can use everything', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const page = readFileSync(path.join(projectFolder, 'docs/jobs.md'), 'utf8');
  const rights = /^ACL SETUSER (shop on >password [^`]*)```$/m.exec(page)?.[1]?.trim().split(/\s+/);
  const admin = new Redis(server.url);
  t.teardown(() => admin.disconnect());
  await admin.call('ACL', 'SETUSER', ...(rights ?? t.fail()));
  const caching = cachingWithJobs(
    t,
    `redis://shop:password@${server.host}:${server.port}`,
    {},
    { namespace: 'shop' },
  );
  const errors = errorsOf(t, caching);
  class Numbers {
    @Processes(numbers, { concurrency: 2, limiter: { max: 100, duration: '1s' } })
    async take(number: number, job: Job<number, number>): Promise<number> {
      await job.updateProgress(1);
      if (job.attemptsMade === 0) throw new Error('first');
      return number;
    }
  }
  const events = jobs(caching).events(numbers);
  await events.waitUntilReady();
  const { workers, ready } = startWorkers(caching, new Numbers());
  await ready();
  await workers[0]!.startStalledCheckTimer();
  const queue = jobs(caching).queue(numbers);
  const job = await jobs(caching).add(numbers, 1, { deduplication: { key: 'a' }, priority: 1 });
  t.is(await job.waitUntilFinished(events), 1);
  await jobs(caching).schedule(numbers, 'a', { every: 10, limit: 1 }, 2);
  await eventually('scheduled', async () => (await queue.getCompletedCount()) === 2);
  t.is((await queue.getWorkers()).length, 1);
  t.like(await queue.getJobCounts(), { completed: 2, failed: 0 });
  await queue.pause();
  await queue.resume();
  await queue.obliterate({ force: true });
  t.deepEqual(
    errors.filter(({ operation }) => operation !== 'job').map(({ error }) => String(error)),
    [],
  );
});
