import { Buffer } from 'node:buffer';
import test from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../src/adapters/ioredis/index.js';
import { entryKey } from '../../src/core/keys/store-keys.js';
import { Caching } from '../../src/index.js';
import { startRedis } from '../support/servers.js';

const NAMESPACE = 'damaged';
const RECORDS = 400;
/** The length of the header of a record, in bytes (src/core/ports/entry-format.ts). */
const HEADER = 60;
const ENTRY = { id: 1, name: 'Ada' };

/** Returns a generator of integers from 0 to `below`, exclusive. The numbers are the same in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function damage(record: Buffer, random: (below: number) => number): Buffer {
  const damaged = Buffer.from(record);
  for (let left = 2 + random(4); left > 0; left--) damaged[random(HEADER)] = random(256);
  return damaged;
}

async function scripts(redis: Redis): Promise<number> {
  const stats = await redis.info('commandstats');
  const calls = (command: string): number =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  return calls('eval') + calls('evalsha');
}

test('with any changed header bytes of a record, the first call replaces it and the others hit', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const caching = new Caching({
    // Long timeouts, so that no call times out on a busy machine: this test counts round trips.
    adapter: ioredis(server.url, { timeout: '20s' }),
    namespace: NAMESPACE,
    defaults: { ttl: '10m', storeTimeout: '20s' },
  });
  t.teardown(() => caching.close());
  await caching.ready();
  const random = seeded(20_261_125);
  const slow: string[] = [];
  for (let i = 0; i < RECORDS; i++) {
    const key = `user:${i}`;
    const name = entryKey(NAMESPACE, key);
    let loads = 0;
    const ask = (): Promise<unknown> =>
      caching.cache.getOrSet(key, () => {
        loads++;
        return ENTRY;
      });
    await ask();
    const record = damage((await redis.getBuffer(name))!, random);
    await redis.set(name, record, 'KEEPTTL');
    const before = await scripts(redis);
    for (let call = 0; call < 5; call++) t.deepEqual(await ask(), ENTRY);
    // A load runs three scripts: acquire the lease, read the nonces, fill.
    const ran = (await scripts(redis)) - before;
    if (loads > 2 || ran > 3) slow.push(`${record.toString('hex')}: ${loads - 1} loads, ${ran} scripts`);
  }
  t.deepEqual(slow, []);
});

test('a record with a token that is not ASCII costs one load and is replaced', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const caching = new Caching({
    adapter: ioredis(server.url, { timeout: '20s' }),
    namespace: NAMESPACE,
    defaults: { ttl: '10m', storeTimeout: '20s' },
  });
  t.teardown(() => caching.close());
  const name = entryKey(NAMESPACE, 'user:1');
  let loads = 0;
  const ask = (): Promise<unknown> => caching.cache.getOrSet('user:1', () => ++loads);
  await ask();
  await redis.setrange(name, 5, Buffer.from([255]) as unknown as string);
  // Another character of the clear nonce than the one that is there: one in 64 is an 'A'.
  await redis.setrange(name, 40, (await redis.getrange(name, 40, 40)) === 'A' ? 'B' : 'A');
  const before = await scripts(redis);
  for (let call = 0; call < 5; call++) t.is(await ask(), 2);
  t.true((await scripts(redis)) - before <= 3);
});
