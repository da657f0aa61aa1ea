import test from 'ava';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { defineQueue, jobs, Processes, startWorkers } from '../../../src/adapters/bullmq/index.js';
import { eventually } from '../../support/eventually.js';
import { freePort } from '../../support/free-port.js';
import { startCluster, startRedis } from '../../support/servers.js';
import { cachingWithJobs } from './jobs-rig.js';

const SCRIPT = fileURLToPath(new URL('./closing.js', import.meta.url));

interface Ending {
  readonly outcomes: readonly string[];
  readonly left: readonly string[];
  readonly output: string;
}

/** Runs the script; resolves when its process has ended by itself. */
async function closing(
  args: readonly string[],
  whenRunning = async (): Promise<void> => {},
): Promise<Ending> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk);
    if (output.endsWith('running\n')) void whenRunning().then(() => child.stdin.end('go\n'));
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`Expected the process to end with 0, and it ended with ${code}: ${output}`);
  const { outcomes, left } = JSON.parse(output.trim().split('\n').at(-1)!) as Ending;
  return { outcomes, left, output };
}

test('close leaves no connection or timer, also with a job that never ends', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const check = async (how: string): Promise<void> => {
    const { outcomes, left, output } = await closing([how, server.url, `closing-${how.replace(' ', '-')}`]);
    t.deepEqual(left, [], how);
    t.deepEqual(outcomes, how === 'running' ? ['aborted'] : [], how);
    t.notRegex(output, /unhandled/, how);
  };
  await Promise.all(['idle', 'running', 'at once'].map(check));
});

test('close leaves no connection or timer if the server is gone', async (t) => {
  const check = async (how: string): Promise<void> => {
    const server = await startRedis({ local: true });
    t.teardown(() => server.stop());
    const lose = (): Promise<void> => (how === 'killed' ? server.kill() : server.pause());
    const url = how === 'down' ? `redis://127.0.0.1:${await freePort()}` : server.url;
    const { left, output } = await closing([how, url, `closing-${how}`], lose);
    t.deepEqual(left, [], how);
    t.notRegex(output, /unhandled/, how);
  };
  await Promise.all(['killed', 'paused', 'down'].map(check));
});

test('a job that still runs after closeTimeout is aborted, and run again by another worker', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const queue = defineQueue<number>('numbers');
  const runs: string[] = [];
  const namespace = 'left-jobs';
  class Numbers {
    constructor(readonly name: string) {}
    @Processes(queue, { lockDuration: '1s', stalledInterval: '1s' })
    async take(_data: number, _job: unknown, signal: AbortSignal): Promise<void> {
      runs.push(this.name);
      if (this.name === 'second') return;
      await new Promise(() => signal.addEventListener('abort', () => runs.push(String(signal.reason))));
    }
  }
  const first = cachingWithJobs(t, server.url, { closeTimeout: 0 }, { namespace });
  startWorkers(first, new Numbers('first'));
  const second = cachingWithJobs(t, server.url, {}, { namespace });
  const job = await jobs(second).add(queue, 1);
  await eventually('running', () => runs.length === 1);
  await first.close();
  startWorkers(second, new Numbers('second'));
  await eventually('completed', () => job.isCompleted());
  t.deepEqual(runs, ['first', 'The worker is closing.', 'second']);
});

test('close waits for jobs that run, which still have the locks of the Caching, and takes no more', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const queue = defineQueue<number>('numbers');
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const runs: number[] = [];
  class Numbers {
    @Processes(queue)
    async take(data: number): Promise<string> {
      runs.push(data);
      await finished;
      return caching.locks.withLease('a', { lease: '1s' }, async () => 'done');
    }
  }
  const caching = cachingWithJobs(t, server.url, { closeTimeout: '1m' });
  startWorkers(caching, new Numbers());
  const other = cachingWithJobs(t, server.url, {}, { namespace: caching.namespace });
  const [first, second] = [await jobs(other).add(queue, 1), await jobs(other).add(queue, 2)];
  await eventually('running', () => runs.length === 1);
  const closed = caching.close();
  finish();
  await closed;
  t.is(await first.getState(), 'completed');
  t.is((await jobs(other).queue(queue).getJob(first.id!))?.returnvalue, 'done');
  t.is(await second.getState(), 'waiting');
  t.deepEqual(runs, [1]);
});

test('in a Cluster, jobs are processed, and close leaves no connection or timer', async (t) => {
  const cluster = await startCluster();
  t.teardown(() => cluster.stop());
  const { outcomes, left, output } = await closing([
    'idle',
    cluster.servers.map(({ url }) => url).join(),
    'closing-cluster',
  ]);
  t.deepEqual(left, []);
  t.deepEqual(outcomes, []);
  t.notRegex(output, /unhandled/);
});
