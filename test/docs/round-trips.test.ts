import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { Caching } from '../../src/core/caching.js';
import { subscribe } from '../../src/core/shared/events.js';
import { eventually } from '../support/eventually.js';
import { redisForFile } from '../support/servers.js';

/** The numbers of docs/coherence.md, "Round trips". */

const redis = redisForFile(test);
const OPTIONS = { ttl: '1m', jitter: 0, storeTimeout: '10s' } as const;
const RULE = { limit: 2, per: '1h' } as const;

/** A relay in front of Redis that counts exchanges: what a client sends before the server has replied is one. */
async function countingRelay(t: ExecutionContext): Promise<{ url: string; count: number }> {
  const { host, port } = redis();
  const relay = { url: '', count: 0 };
  const server = createServer((client) => {
    const upstream = connect(port, host);
    let isReplied = true;
    client.on('data', (chunk) => {
      // The subscriber's own question whether its connection is alive belongs to no call.
      if (!/\r\nping\r\n/i.test(String(chunk))) {
        if (isReplied) relay.count += 1;
        isReplied = false;
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      isReplied = true;
      client.write(chunk);
    });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  relay.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return relay;
}

async function setUp(t: ExecutionContext) {
  const relay = await countingRelay(t);
  const namespace = `round-trips-${relay.url.split(':').at(-1)!}`;
  const caching = new Caching({ adapter: ioredis(relay.url, { timeout: '10s' }), namespace });
  t.teardown(() => caching.close());
  await caching.ready();
  const trips = async (call: () => Promise<unknown>): Promise<number> => {
    const before = relay.count;
    await call();
    return relay.count - before;
  };
  /** The second of two calls: the first one loads the scripts into Redis. */
  const tripsOf = async (call: (key: string) => Promise<unknown>): Promise<number> => {
    await call('first');
    return trips(() => call('second'));
  };
  return { caching, relay, trips, tripsOf };
}

test('a hit is one round trip, and two if its tags are known from the result only', async (t) => {
  const { caching, trips } = await setUp(t);
  const { cache } = caching;
  const load = async () => 'value';
  await cache.getOrSet('plain', load, OPTIONS);
  t.is(await trips(() => cache.getOrSet('plain', load, OPTIONS)), 1);

  const fromArguments = { ...OPTIONS, tags: ['users', 'org:1'] };
  await cache.getOrSet('arguments', load, fromArguments);
  t.is(await trips(() => cache.getOrSet('arguments', load, fromArguments)), 1);

  const fromResult = { ...OPTIONS, tags: () => ['users', 'org:1'] };
  await cache.getOrSet('result', load, fromResult);
  t.is(await trips(() => cache.getOrSet('result', load, fromResult)), 2);

  const all = ['plain', 'arguments', 'result'];
  t.is(await trips(() => Promise.all(['plain', 'plain', 'other'].map((key) => cache.get(key)))), 1);
  t.is(await trips(() => cache.getMany(['plain', 'other'])), 1);
  t.is((await cache.getMany(all)).size, 3);
});

test('a hit with idleTtl is one round trip, and one more in the background when a quarter of it has passed', async (t) => {
  const { caching, relay, trips } = await setUp(t);
  const { cache } = caching;
  const options = { ...OPTIONS, idleTtl: '1m' } as const;
  const keys = ['one', 'two', 'three'];
  for (const key of ['first', ...keys]) await cache.set(key, 'value', options);
  /** Resolves when so many were made, the touches included. */
  const madeBy = async (count: number, call: () => Promise<unknown>): Promise<void> => {
    const before = relay.count;
    await call();
    await eventually(`${count} round trips`, () => relay.count === before + count);
    // Answered after them.
    await cache.has('another');
  };
  // Loads the script into Redis.
  await madeBy(3, () => cache.get('first'));
  await madeBy(2, () => cache.getMany(keys));
  t.is(await trips(() => cache.getMany(keys)), 1);
  await cache.getOrSet('loaded', () => 'value', options);
  t.is(await trips(() => cache.getOrSet('loaded', () => 'value', options)), 1);
});

test('a miss is three round trips, and one more for tags of the result', async (t) => {
  const { caching, tripsOf } = await setUp(t);
  const load = async () => 'value';
  t.is(await tripsOf((key) => caching.cache.getOrSet(key, load, OPTIONS)), 3);
  const fromArguments = { ...OPTIONS, tags: ['users'] };
  t.is(await tripsOf((key) => caching.cache.getOrSet(['arguments', key], load, fromArguments)), 3);
  const fromResult = { ...OPTIONS, tags: () => ['users'] };
  t.is(await tripsOf((key) => caching.cache.getOrSet(['result', key], load, fromResult)), 4);
});

test('stampede: lock costs two round trips more for a miss, and none for a hit', async (t) => {
  const { caching, trips } = await setUp(t);
  const options = { ...OPTIONS, stampede: 'lock' } as const;
  const loadUnderLock = async (key: string) => {
    const isReleased = new Promise<void>((resolve) => {
      const stop = subscribe('unlock', ({ keys }) => {
        if (keys[0] !== `cache:${key}`) return;
        stop();
        resolve();
      });
    });
    await caching.cache.getOrSet(key, async () => 'value', options);
    await isReleased;
  };
  await loadUnderLock('first');
  t.is(await trips(() => loadUnderLock('second')), 5);
  t.is(await trips(() => caching.cache.getOrSet('second', async () => 'value', options)), 1);
});

test('an invalidation is one round trip, a set and a put are two', async (t) => {
  const { caching, tripsOf } = await setUp(t);
  const { cache } = caching;
  t.is(await tripsOf((key) => cache.invalidate({ keys: [key] })), 1);
  t.is(await tripsOf((key) => cache.invalidate({ tags: [key, 'users'] })), 1);
  t.is(await tripsOf((key) => cache.invalidate({ keys: [key], tags: [key] })), 1);
  t.is(await tripsOf(() => cache.clear()), 1);
  t.is(await tripsOf((key) => cache.set(key, 'value', { ...OPTIONS, tags: ['users'] })), 2);
  t.is(await tripsOf((key) => cache.put(key, () => 'value', { ...OPTIONS, tags: ['users'] })), 2);
  const safe = { ...OPTIONS, tags: ['users'], safe: '30s' } as const;
  t.is(await tripsOf((key) => cache.put(key, () => 'value', safe)), 2);
});

test('a rate limit is one round trip, a remembered denial none, a slot two', async (t) => {
  const { caching, trips, tripsOf } = await setUp(t);
  const { limits } = caching;
  t.is(await tripsOf((key) => limits.consume(key, RULE)), 1);
  t.is(await tripsOf((key) => limits.consume(['two', key], [RULE, { ...RULE, name: 'other' }])), 1);
  for (let i = 0; i < 3; i++) await limits.consume('used-up', RULE);
  t.is(await trips(() => limits.consume('used-up', RULE)), 0);
  const slots = { algorithm: 'concurrency', limit: 2 } as const;
  t.is(await tripsOf((key) => limits.run(['slots', key], slots, async () => {})), 2);
});

test('a lock is two round trips', async (t) => {
  const { caching, tripsOf } = await setUp(t);
  t.is(await tripsOf((key) => caching.locks.withLease(key, {}, async () => {})), 2);
  t.is(await tripsOf((key) => caching.locks.withLease({ keys: [key, 'b'] }, {}, async () => {})), 2);
});
