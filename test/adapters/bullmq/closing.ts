/**
 * Run in a process of its own: uses jobs in the way that its argument names, closes their `Caching`, and says what is left.
 * The process must then end by itself.
 */
import { Cluster } from 'ioredis';
import { defineQueue, Enqueues, jobs, Processes, startWorkers } from '../../../src/adapters/bullmq/index.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { bindCaching, Caching } from '../../../src/index.js';

const [how, url, namespace] = process.argv.slice(2) as [string, string, string];
const queue = defineQueue<number>('numbers');
const target = url.includes(',') ? new Cluster(url.split(','), { lazyConnect: true }) : url;
const caching = new Caching({ adapter: ioredis(target, { timeout: '100ms' }), namespace });
jobs(caching, { timeout: '300ms', closeTimeout: '100ms' });
// An error of a worker or connection must not end the process, and neither must a rejection.
process.on('unhandledRejection', (error) => {
  process.stdout.write(`unhandled ${String(error)}\n`);
});

const outcomes: string[] = [];
class Numbers {
  @Enqueues(queue, { data: (result) => result, onUnavailable: 'report' })
  async make(): Promise<number> {
    return 1;
  }

  @Processes(queue)
  async take(_data: number, _job: unknown, signal: AbortSignal): Promise<void> {
    process.stdout.write('running\n');
    if (how === 'idle') return;
    await new Promise(() => signal.addEventListener('abort', () => outcomes.push('aborted')));
  }
}

const numbers = new Numbers();
bindCaching(numbers, caching);
const { ready } = startWorkers(caching, numbers);
jobs(caching).events(queue);
const next = (): Promise<unknown> =>
  new Promise((resolve) =>
    process.stdin.once('data', (data) => {
      process.stdin.pause();
      resolve(data);
    }),
  );
if (how !== 'at once' && how !== 'down') {
  await ready();
  await numbers.make();
  // Until the parent has seen that the job runs, and has ended or paused the server.
  await next();
}
if (how === 'down') await numbers.make();
await Promise.all([caching.close(), caching.close()]);
await caching.close();
await new Promise((resolve) => setImmediate(resolve));
const left = process.getActiveResourcesInfo().filter((resource) => resource !== 'PipeWrap');
process.stdout.write(`${JSON.stringify({ outcomes, left })}\n`);
