import test from 'ava';
import { jobs } from '../../../src/adapters/bullmq/index.js';
import { eventually } from '../../support/eventually.js';
import { startWorker, type ServedBy } from '../../support/process.js';
import { redisForFile } from '../../support/servers.js';
import { cachingWithJobs, numbers } from './jobs-rig.js';
import type { Init, serve } from './numbers-worker.js';

const SCRIPT = new URL('./numbers-worker.js', import.meta.url);
const COUNT = 40;
const HANGS_AT = 20;

const redis = redisForFile(test);

test('of two processes one is killed, and every job has its result, those that it ran as well', async (t) => {
  const caching = cachingWithJobs(t, redis().url);
  const { namespace } = caching;
  const begun: number[] = [];
  const start = async (hangsAt: number | undefined) => {
    const init: Init = { url: redis().url, namespace, hangsAt };
    const worker = await startWorker<ServedBy<typeof serve>>(SCRIPT, init);
    t.teardown(() => worker.stop());
    worker.on('begun', (number) => void begun.push(number as number));
    return worker;
  };
  const victim = await start(HANGS_AT);
  const added = await Promise.all(
    Array.from({ length: COUNT }, (_, number) => jobs(caching).add(numbers, number)),
  );
  await eventually('it hangs', () => begun.includes(HANGS_AT));
  await start(undefined);
  await victim.kill();
  const queue = jobs(caching).queue(numbers);
  await eventually('all have ended', async () => {
    const { completed = 0, failed = 0 } = await queue.getJobCounts('completed', 'failed');
    return completed + failed === COUNT;
  });
  const stored = await Promise.all(added.map(({ id }) => queue.getJob(id!)));
  t.deepEqual(
    stored.map((job) => job?.returnvalue),
    Array.from({ length: COUNT }, (_, number) => number * 2),
  );
  const runs = (number: number): number => begun.filter((one) => one === number).length;
  t.is(runs(HANGS_AT), 2, 'the job of the dead process is run again');
  for (let number = 0; number < COUNT; number++)
    t.true(runs(number) >= (number % 3 === 0 ? 2 : 1), `${number}`);
});
