import test from 'ava';
import { defineQueue, jobs, Processes, startWorkers } from '../../../src/adapters/bullmq/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { memory } from '../../../src/adapters/memory/index.js';
import { StoreUnavailableError } from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import { startRedis, startSentinel } from '../../support/servers.js';
import { cachingWithJobs, errorsOf } from './jobs-rig.js';

const numbers = defineQueue<number, number>('numbers');

class Numbers {
  readonly taken: number[] = [];

  @Processes(numbers)
  async take(data: number): Promise<number> {
    this.taken.push(data);
    return data;
  }
}

test('while Redis is away a job is refused, also at first, and workers work when it is back', async (t) => {
  const server = await startRedis({ local: true });
  t.teardown(() => server.stop());
  await server.kill();
  const caching = cachingWithJobs(t, server.url, { timeout: '300ms' });
  const errors = errorsOf(t, caching);
  const instance = new Numbers();
  startWorkers(caching, instance);
  const queue = jobs(caching).queue(numbers);
  const refused = async (): Promise<void> => {
    const error = await t.throwsAsync(jobs(caching).add(numbers, 0), { instanceOf: StoreUnavailableError });
    t.is(error?.outcome, 'refused');
    t.regex(error?.message ?? '', /Adding a job to queue 'numbers' .*127\.0\.0\.1/);
    t.notRegex(error?.message ?? '', /[^.]\.\./);
  };
  await refused();
  await eventually('an error event', () => errors.find(({ operation }) => operation === 'worker'));
  for (const number of [1, 2]) {
    await server.restart();
    // Of an attempt whose outcome is unknown, Redis may have the job: by its id it is one.
    const jobId = `number-${number}`;
    await eventually('added', () =>
      jobs(caching)
        .add(numbers, number, { jobId })
        .catch(() => false as const),
    );
    await eventually('processed', () => instance.taken.includes(number));
    await eventually('completed', async () => (await queue.getCompletedCount()) === 1);
    if (number === 2) break;
    await server.kill();
    await eventually('refused', () =>
      jobs(caching)
        .add(numbers, 0)
        .then(
          () => false,
          () => true,
        ),
    );
    await refused();
  }
  t.deepEqual([...new Set(instance.taken)], [1, 2]);
  t.is(jobs(caching).queue(numbers), queue);
});

test('if Redis does not answer in time, it is not known whether it has the job', async (t) => {
  const server = await startRedis({ local: true });
  t.teardown(() => server.stop());
  const caching = cachingWithJobs(t, server.url, { timeout: '300ms' });
  await eventually('added', () =>
    jobs(caching)
      .add(numbers, 1)
      .catch(() => false as const),
  );
  await server.pause();
  const added = jobs(caching).add(numbers, 2, { jobId: 'unknown' });
  const error = await t.throwsAsync(added, { instanceOf: StoreUnavailableError });
  t.is(error?.outcome, 'unknown');
  t.regex(error?.message ?? '', /was not answered within 300 ms/);
  await server.resume();
  await eventually('it has the job', () => jobs(caching).queue(numbers).getJob('unknown'));
});

test('Redis without memory refuses a job, and says so', async (t) => {
  const server = await startRedis({ args: ['--maxmemory', '1mb'] });
  t.teardown(() => server.stop());
  const caching = cachingWithJobs(t, server.url);
  const error = await t.throwsAsync(jobs(caching).add(numbers, 1), { instanceOf: StoreUnavailableError });
  t.is(error?.outcome, 'refused');
  t.regex(error?.message ?? '', /OOM/);
});

test('a server that evicts is warned of once, with the fix', async (t) => {
  const server = await startRedis({ args: ['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'] });
  t.teardown(() => server.stop());
  const warnings: string[] = [];
  const onWarning = (warning: Error & { code?: string }): void => {
    if (warning.code === 'CACHEMENT_EVICTED_JOBS') warnings.push(warning.message);
  };
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  for (const adapter of [memory(), ioredis(server.url)]) {
    const caching = cachingWithJobs(t, server.url, { connection: ioredis(server.url) }, { adapter });
    await jobs(caching).add(numbers, 1);
  }
  await eventually('warned', () => warnings.length > 0);
  t.is(warnings.length, 1);
  t.regex(
    warnings[0]!,
    /has the maxmemory-policy allkeys-lru: .* jobs, which are then lost, .*Set 'noeviction', or/,
  );
});

test('with a Sentinel, jobs are added and processed on the new master after a failover', async (t) => {
  const setup = await startSentinel();
  t.teardown(() => setup.stop());
  const { sentinels, name, primary } = setup;
  const adapter = ioredis({ sentinels: [...sentinels], name });
  const caching = cachingWithJobs(t, '', { timeout: '200ms' }, { adapter });
  const instance = new Numbers();
  const { ready } = startWorkers(caching, instance);
  await ready();
  await eventually('added', () =>
    jobs(caching)
      .add(numbers, 1)
      .catch(() => false as const),
  );
  await eventually('processed', () => instance.taken.includes(1));
  await primary.kill();
  await eventually('added', () =>
    jobs(caching)
      .add(numbers, 2)
      .catch(() => false as const),
  );
  await eventually('processed', () => instance.taken.includes(2));
  t.deepEqual([...new Set(instance.taken)], [1, 2]);
});
