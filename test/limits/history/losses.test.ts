import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching, StoreUnavailableError } from '../../../src/index.js';
import { eventually } from '../../support/eventually.js';
import { startProxy } from '../../support/proxy.js';
import { redisForFile, startSentinel } from '../../support/servers.js';

const redis = redisForFile(test, { local: true });
const RULE = { limit: 5, per: '1h', algorithm: 'sliding-window-log' } as const;

async function limitsOn(t: ExecutionContext, target: Parameters<typeof ioredis>[0]) {
  const caching = new Caching({
    adapter: ioredis(target, { timeout: '2s' }),
    namespace: 'losses',
    limits: { onUnavailable: 'deny', denialCache: false, storeTimeout: '2s' },
  });
  t.teardown(() => caching.close());
  await caching.ready();
  return caching.limits;
}

/** A client that bypasses the library. */
function beside(t: ExecutionContext, url: string): Redis {
  const client = new Redis(url);
  client.on('error', () => {});
  t.teardown(() => client.disconnect());
  return client;
}

/** Returns how many of `calls` calls are admitted. */
async function admitted(
  calls: number,
  consume: () => Promise<{ readonly allowed: boolean }>,
): Promise<number> {
  let count = 0;
  for (let i = 0; i < calls; i++) if ((await consume()).allowed) count++;
  return count;
}

async function untilItAnswers(ask: () => Promise<unknown>): Promise<void> {
  await eventually('the store answers', () =>
    ask().then(
      () => true,
      () => false,
    ),
  );
}

test('G9 rate limits: a failover loses the counts that were not replicated, and the limit holds from then on', async (t) => {
  const { primary, replica, sentinels, name, stop } = await startSentinel();
  t.teardown(stop);
  const limits = await limitsOn(t, { sentinels, name });
  const consume = () => limits.consume('failover', RULE);
  t.is(await admitted(2, consume), 2);
  const side = beside(t, replica.url);
  await eventually('the replica has heard of two', async () => {
    return (await side.zcard('losses:rate:{failover}:sliding-window-log-3600000')) === 2;
  });

  await replica.pause();
  await beside(t, primary.url).call('CLIENT', 'KILL', 'TYPE', 'replica');
  t.is(await admitted(8, consume), 3);
  await primary.kill();
  await replica.resume();

  await untilItAnswers(() => limits.peek('failover', RULE));
  t.is(await admitted(8, consume), 3);
});

test('G9 rate limits: an evicted count starts from zero, and the limit holds from then on', async (t) => {
  const limits = await limitsOn(t, redis().url);
  const consume = () => limits.consume('evicted', RULE);
  t.is(await admitted(8, consume), 5);
  const client = beside(t, redis().url);
  t.is(await client.unlink(await client.keys('losses:rate:{evicted}*')), 1);
  t.is(await admitted(8, consume), 5);
});

test('G9 rate limits: a call with a lost reply counts, and with a requestId it is charged once', async (t) => {
  const proxy = await startProxy(redis());
  t.teardown(() => proxy.stop());
  const limits = await limitsOn(t, proxy.url);
  const used = async () => (await limits.peek('lost', RULE)).rules[0]!.used;

  // Loads the script into the server, so that the lost reply is not a NOSCRIPT error.
  t.is(await used(), 0);
  let lost = proxy.loseNextReply('lost').happened;
  await t.throwsAsync(limits.consume('lost', RULE), { instanceOf: StoreUnavailableError });
  await lost;
  await untilItAnswers(used);
  t.is(await used(), 1);

  lost = proxy.loseNextReply('lost').happened;
  const first = await limits.consume('lost', RULE, { requestId: 'r1' });
  await lost;
  t.true(first.allowed);
  t.deepEqual(await limits.consume('lost', RULE, { requestId: 'r1' }), first);
  t.is(await used(), 2);
});
