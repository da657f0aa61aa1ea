import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { startWorker, type Worker } from './process.js';
import { redisForFile } from './servers.js';
import type { TestWorkerCalls, TestWorkerInit } from './test-worker.js';

const server = redisForFile(test);
const script = new URL('./test-worker.js', import.meta.url);

async function workerFor(t: ExecutionContext, init: TestWorkerInit = {}): Promise<Worker<TestWorkerCalls>> {
  const worker = await startWorker<TestWorkerCalls>(script, init);
  t.teardown(() => worker.kill());
  return worker;
}

test('a worker runs in a process of its own and keeps its state between calls', async (t) => {
  const worker = await workerFor(t);
  t.not(worker.pid, process.pid);
  t.is(await worker.call('pid'), worker.pid);
  t.is(await worker.call('increment', 2), 2);
  t.is(await worker.call('increment', 3), 5);
});

test('arguments and results keep what JSON would lose', async (t) => {
  const worker = await workerFor(t);
  const value = {
    big: 12n,
    nothing: undefined,
    bytes: new Uint8Array([1, 2]),
    when: new Date(0),
    not: Number.NaN,
  };
  t.deepEqual(await worker.call('echo', value), value);
});

test('a worker reaches the Redis server that it is told of', async (t) => {
  const worker = await workerFor(t, { redisUrl: server().url });
  t.is(await worker.call('ping'), 'PONG');
});

test('what a handler throws comes back with name, message, code and plain fields', async (t) => {
  const worker = await workerFor(t);
  const error = await t.throwsAsync(worker.call('refuse'));
  t.like(error, { name: 'RefusedError', message: 'come back later', code: 'E_REFUSED', retryAfterMs: 1_500 });
  t.is(await worker.call('increment', 1), 1);
});

test('an unknown function is an error that names it', async (t) => {
  const worker = (await workerFor(t)) as unknown as Worker<{ missing(): void }>;
  await t.throwsAsync(worker.call('missing'), { message: /"missing"/ });
});

test('what a worker emits arrives until the listening ends', async (t) => {
  const worker = await workerFor(t);
  const payloads: unknown[] = [];
  const done = new Promise<void>((resolve) => {
    const end = worker.on('tick', (payload) => {
      payloads.push(payload);
      if (payloads.length < 3) return;
      end();
      resolve();
    });
  });
  await worker.call('tick', 1);
  await done;
  await worker.call('increment', 0);
  t.deepEqual(payloads, [1, 2, 3]);
});

test('a killed worker is gone, and who waits for it is told', async (t) => {
  const worker = await workerFor(t);
  const answer = worker.call('never');
  await worker.kill();
  await t.throwsAsync(answer, { message: /ended by signal 9 before answering "never"/ });
  t.false(worker.alive);
  t.throws(() => process.kill(worker.pid, 0), { code: 'ESRCH' });
  await t.throwsAsync(worker.call('increment', 1), { message: /it has ended/ });
  await worker.kill();
});

test('a paused worker answers when it is resumed', async (t) => {
  const worker = await workerFor(t);
  worker.pause();
  const answer = worker.call('increment', 1);
  const pause = new Promise((resolve) => setTimeout(resolve, 100, 'nothing yet'));
  t.is(await Promise.race([answer, pause]), 'nothing yet');
  worker.resume();
  t.is(await answer, 1);
});

test('a stopped worker cleans up first, even if it was paused', async (t) => {
  const worker = await workerFor(t, { redisUrl: server().url });
  const { pid } = worker;
  worker.pause();
  await worker.stop();
  t.false(worker.alive);
  const client = new Redis(server().url);
  t.teardown(() => client.disconnect());
  t.is(await client.get('stopped-in-order'), String(pid));
});

test('a worker that cannot listen is killed when it is to stop', async (t) => {
  const worker = await workerFor(t);
  const answer = worker.call('spin');
  await Promise.all([worker.stop(), t.throwsAsync(answer, { message: /by signal 9/ })]);
  t.false(worker.alive);
});

test('a worker that fails to start says why', async (t) => {
  await t.throwsAsync(startWorker(script, { failToStart: true }), { message: 'told to fail' });
  await t.throwsAsync(startWorker(new URL('./free-port.js', import.meta.url)), {
    message: /ended with status 0 before being ready/,
  });
});
