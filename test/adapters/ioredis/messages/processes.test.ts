import test from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { Caching } from '../../../../src/index.js';
import { pubsub } from '../../../../src/pubsub/index.js';
import { eventually } from '../../../support/eventually.js';
import { startWorker, type Worker } from '../../../support/process.js';
import { startProxy } from '../../../support/proxy.js';
import { redisForFile } from '../../../support/servers.js';
import { numbers, type SubscriberCalls, type SubscriberInit } from './subscriber-worker.js';

const redis = redisForFile(test);

test('three processes, one killed and one half-open: what was lost is said, nothing is handled twice, and close() leaves nothing open', async (t) => {
  t.timeout(90_000);
  const namespace = `processes-${process.pid}`;
  const proxy = await startProxy(redis());
  t.teardown(() => proxy.stop());
  const start = async (url: string): Promise<Worker<SubscriberCalls>> => {
    const init: SubscriberInit = { url, namespace };
    const worker = await startWorker<SubscriberCalls>(new URL('subscriber-worker.js', import.meta.url), init);
    t.teardown(() => worker.kill());
    return worker;
  };
  const [healthy, killed, halfOpen] = await Promise.all([
    start(redis().url),
    start(redis().url),
    start(proxy.url),
  ]);
  const caching = new Caching({ adapter: ioredis(redis().url, { timeout: '20s' }), namespace });
  t.teardown(() => caching.close());
  await caching.ready();
  const sent: { readonly n: number; readonly at: number }[] = [];
  const publish = async (): Promise<number | undefined> => {
    const message = { n: sent.length, at: Date.now() };
    sent.push(message);
    return pubsub(caching).publish(numbers, message);
  };
  /** Publishes until the condition holds. */
  const publishUntil = (what: string, condition: () => Promise<boolean>): Promise<unknown> =>
    eventually(what, async () => {
      await publish();
      return condition();
    });
  const has = async (worker: Worker<SubscriberCalls>, n: number): Promise<boolean> =>
    (await worker.call('got')).includes(n);

  t.is(await publish(), 3);
  for (const worker of [healthy, killed, halfOpen])
    await eventually('the first message', () => has(worker, 0));

  await killed.kill();
  await eventually('the server has noticed', async () => (await publish()) === 2);

  // The connection for commands goes on: only the messages do not arrive, and no end of the connection.
  const undo = proxy.timeoutOf(`cachement:${namespace}:messages`);
  await publishUntil('the loss is noticed', async () => !(await halfOpen.call('isReceiving')));
  await undo();
  const next = sent.length;
  await publishUntil('messages arrive again', async () =>
    (await halfOpen.call('got')).some((n) => n >= next),
  );

  const restarted = await start(redis().url);
  const last = sent.length;
  await publish();
  for (const worker of [healthy, halfOpen, restarted]) {
    await eventually('the last message', () => has(worker, last));
    const got = await worker.call('got');
    t.deepEqual(
      got,
      [...new Set(got)].sort((a, b) => a - b),
      'twice, or out of order',
    );
  }
  t.deepEqual(
    await healthy.call('got'),
    sent.map(({ n }) => n),
  );
  t.deepEqual(await healthy.call('interruptions'), []);
  t.deepEqual(await restarted.call('got'), [last]);

  const got = new Set(await halfOpen.call('got'));
  const interruptions = await halfOpen.call('interruptions');
  const lost = sent.filter(({ n }) => !got.has(n));
  t.true(lost.length > 0);
  t.is(interruptions.length, 1);
  const unsaid = lost.filter(({ at }) => !interruptions.some(({ from, to }) => from <= at && at <= to));
  t.deepEqual(unsaid, []);

  for (const worker of [healthy, halfOpen, restarted]) {
    const left = await worker.call('close');
    t.deepEqual(left, []);
    await worker.stop();
  }
  const admin = new Redis(redis().url);
  t.teardown(() => admin.disconnect());
  await eventually('only this process is connected', async () => {
    const clients = String(await admin.client('LIST')).split('\n');
    const own = clients.filter((line) => line.includes(`name=cachement:${namespace}:`));
    return own.every((line) => /:(commands|subscriber|locks) /.test(line)) && own.length <= 3;
  });
  t.is(await publish(), 0);
});
