import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { decodeChanges, encodeChanges } from '../../../src/adapters/ioredis/changes/change-message.js';
import { ioredis } from '../../../src/adapters/ioredis/index.js';
import { Caching, type CachingOptions } from '../../../src/core/caching.js';
import type { Clock } from '../../../src/core/ports/clock.js';
import { systemClock } from '../../../src/core/shared/system-clock.js';
import { recordEvents } from '../../../src/testing/record-events.js';
import { eventually } from '../../support/eventually.js';
import { startProxy } from '../../support/proxy.js';
import { startCluster, startRedis, type RedisCluster, type RedisServer } from '../../support/servers.js';
import { Row } from '../../support/held-load.js';
import { TARGETS } from '../../cache/invalidation-targets.js';
import { MAJORS } from './rig.js';

let server: RedisServer;
let cluster: RedisCluster;
test.before('start Redis', async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster(3)]);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

const TAGS = { tags: ['org'] };
const PATIENT = { timeout: '20s', connectTimeout: '20s' } as const;
let opened = 0;

type Coherence = 'bus' | 'tracking' | 'validate';

interface Opened {
  readonly cachings: readonly Caching[];
  readonly namespace: string;
  /** Resolves when a read of this Caching comes from its memory. */
  inMemory(caching: Caching, key: string, load: () => Promise<unknown>): Promise<void>;
}

async function open(
  t: ExecutionContext,
  coherence: Coherence,
  adapters: readonly CachingOptions['adapter'][],
): Promise<Opened> {
  const namespace = `changes-${process.pid}-${++opened}`;
  const cachings = adapters.map(
    (adapter) =>
      new Caching({
        adapter,
        namespace,
        defaults: { ttl: '1m', storeTimeout: '10s' },
        l1: { coherence, ttl: '1m' },
      }),
  );
  const { events, stop } = recordEvents(namespace);
  t.teardown(async () => {
    await Promise.all(cachings.map((caching) => caching.close()));
    stop();
  });
  await Promise.all(cachings.map((caching) => caching.ready()));
  return {
    cachings,
    namespace,
    inMemory: async (caching, key, load) => {
      await eventually(`${key} in memory`, async () => {
        const before = events.length;
        await caching.cache.getOrSet(key, load, TAGS);
        return events.slice(before).some(({ name, event }) => name === 'hit' && event.tier === 'l1');
      });
    },
  };
}

test('ready() resolves when the L1 is confirmed, and not only at its timeout', async (t) => {
  // A clock on which no connection is ever late.
  const clock: Clock = {
    ...systemClock,
    after: (ms, task) => (ms >= 20_000 ? { cancel() {} } : systemClock.after(ms, task)),
  };
  // Which connection is usable last is chance.
  for (let attempt = 0; attempt < 20; attempt++) {
    const namespace = `ready-${process.pid}-${attempt}`;
    const caching = new Caching({ adapter: ioredis(server.url, PATIENT), namespace, clock, l1: true });
    await caching.ready();
    await caching.close();
  }
  t.pass();
});

for (const { major, Redis: Client, Cluster: ClusterClient } of MAJORS) {
  for (const kind of ['one Redis', 'a Cluster'] as const) {
    const adapter = (t: ExecutionContext): CachingOptions['adapter'] => {
      const client =
        kind === 'one Redis'
          ? new Client(server.url, { keyPrefix: 'app:', lazyConnect: true })
          : new ClusterClient([...cluster.nodes], { keyPrefix: 'app:', lazyConnect: true });
      t.teardown(() => client.disconnect());
      return ioredis(client, PATIENT);
    };
    for (const coherence of ['bus', 'tracking', 'validate'] as const) {
      test(`${coherence}: what another process invalidates ends in memory (${kind}, ioredis ${major})`, async (t) => {
        const { cachings, inMemory } = await open(t, coherence, [adapter(t), adapter(t)]);
        const [here, there] = cachings;
        for (const { by, target } of TARGETS) {
          const row = new Row();
          await inMemory(here!, 'key', row.load);
          row.write();
          t.true((await there!.cache.invalidate(target)).acknowledged);
          if (coherence === 'validate') t.is(await here!.cache.getOrSet('key', row.load, TAGS), 2, by);
          await eventually(by, async () => (await here!.cache.getOrSet('key', row.load, TAGS)) === 2);
          await here!.cache.clear();
        }
        await inMemory(here!, 'key', async () => 'old');
        t.true(await there!.cache.set('key', 'new', TAGS));
        await eventually('set', async () => (await here!.cache.get('key')) === 'new');
      });
    }
  }
}

for (const coherence of ['bus', 'tracking', 'validate'] as const) {
  test(`${coherence}: G2 a put ends in memory what another process has read during its write`, async (t) => {
    const adapters = [ioredis(server.url, PATIENT), ioredis(server.url, PATIENT)];
    const { cachings, namespace, inMemory } = await open(t, coherence, adapters);
    const { of, stop } = recordEvents(namespace);
    t.teardown(stop);
    const [here, there] = cachings;
    const row = new Row();
    for (const one of cachings) await inMemory(one, 'key', row.load);
    const written = await there!.cache.put('key', async () => {
      // It has been told that the value is being replaced, and reads the value of before once more.
      if (coherence !== 'validate') {
        await eventually('a read from the store', async () => {
          const before = of('hit').length;
          await here!.cache.getOrSet('key', row.load, TAGS);
          return of('hit')
            .slice(before)
            .some(({ tier }) => tier === 'l2');
        });
      }
      await inMemory(here!, 'key', row.load);
      return row.write();
    });
    t.is(written, 2);
    t.is(await there!.cache.get('key'), 2);
    await eventually('the new value', async () => (await here!.cache.get('key')) === 2);
  });
}

for (const coherence of ['bus', 'tracking', 'validate'] as const) {
  test(`${coherence}: G12 a mark ends what is in the memory of another process, and of this one`, async (t) => {
    const adapters = [ioredis(server.url, PATIENT), ioredis(server.url, PATIENT)];
    const { cachings, inMemory } = await open(t, coherence, adapters);
    const [here, there] = cachings;
    for (const { target } of TARGETS) {
      const row = new Row();
      for (const one of cachings) await inMemory(one, 'key', row.load);
      const write = async (): Promise<void> => {
        t.is(await there!.cache.getOrSet('key', async () => 7, TAGS), 7);
        await eventually(
          'a load',
          async () => (await here!.cache.getOrSet('key', async () => 7, TAGS)) === 7,
        );
      };
      await there!.cache.invalidateAround(target, write, { safe: '30s' });
      for (const one of cachings) t.is(await one.cache.getOrSet('key', async () => 8, TAGS), 8);
      await there!.cache.clear();
    }
  });

  test(`${coherence}: G12 a put with safe ends what is in memory, and what is put is found by all`, async (t) => {
    const adapters = [ioredis(server.url, PATIENT), ioredis(server.url, PATIENT)];
    const { cachings, inMemory } = await open(t, coherence, adapters);
    const [here, there] = cachings;
    const row = new Row();
    for (const one of cachings) await inMemory(one, 'key', row.load);
    const write = async (): Promise<number> => {
      await eventually('the mark', async () => (await here!.cache.get('key')) === undefined);
      return row.write();
    };
    t.is(await there!.cache.put('key', write, { safe: '30s' }), 2);
    for (const one of cachings) t.is(await one.cache.get('key'), 2);
  });
}

test('tracking: writes of other programs, and FLUSHALL, end what is in memory', async (t) => {
  // Of its own: the other tests go on at the same time, and need what they have stored.
  const own = await startRedis();
  t.teardown(() => own.stop());
  const { cachings, namespace, inMemory } = await open(t, 'tracking', [ioredis(own.url, PATIENT)]);
  const [here] = cachings;
  const redis = new Redis(own.url);
  t.teardown(() => redis.disconnect());
  const row = new Row();
  const newValue = async (): Promise<boolean> =>
    (await here!.cache.getOrSet('key', row.load, TAGS)) === row.version;
  for (const change of [
    () => redis.del(`${namespace}:cache:key`),
    () => redis.flushall(),
    () => redis.pexpire(`${namespace}:cache:key`, 1),
  ]) {
    await inMemory(here!, 'key', row.load);
    row.write();
    await change();
    await eventually('a new value', newValue);
  }
  t.pass();
});

for (const coherence of ['bus', 'tracking'] as const) {
  test(`${coherence}: G2 bounded staleness: I13, I14 without an answer of the server nothing comes from memory, and what was missed is not returned`, async (t) => {
    const proxy = await startProxy({ host: '127.0.0.1', port: server.port });
    t.teardown(() => proxy.stop());
    const { cachings, inMemory } = await open(t, coherence, [
      ioredis(proxy.url, PATIENT),
      ioredis(server.url, PATIENT),
    ]);
    const [here, there] = cachings;
    const row = new Row();
    await inMemory(here!, 'key', row.load);
    // Nothing arrives any more on the connections there are, and none of them is closed.
    const undo = proxy.timeout();
    row.write();
    await there!.cache.invalidate({ keys: ['key'] });
    const returned: unknown[] = [];
    const begun = performance.now();
    await eventually('no value from memory', async () => {
      const read = here!.cache.getOrSet('key', row.load, TAGS);
      const found = await Promise.race([
        read,
        new Promise((resolve) => setTimeout(resolve, 20, 'asks the store')),
      ]);
      returned.push(found);
      return found === 'asks the store';
    });
    t.log(`${returned.length} reads from memory in ${Math.round(performance.now() - begun)} ms`);
    await undo();
    await eventually('the new value', async () => (await here!.cache.getOrSet('key', row.load, TAGS)) === 2);
    t.pass();
  });
}

test('the bus: messages that nobody can read end everything in memory', async (t) => {
  const { cachings, namespace, inMemory } = await open(t, 'bus', [ioredis(server.url, PATIENT)]);
  const [here] = cachings;
  const redis = new Redis(server.url);
  t.teardown(() => redis.disconnect());
  const row = new Row();
  for (const message of ['', '{', '{"a":1}', '[1,2]', 'x'.repeat(100_000)]) {
    await inMemory(here!, 'key', row.load);
    await redis.publish(`${namespace}:changes`, message);
    await inMemory(here!, 'key', row.load);
  }
  t.pass();
});

test('a new subscription ends what was read before it', async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const redis = new Redis(own.url);
  t.teardown(() => redis.disconnect());
  const user = ['ACL', 'SETUSER', 'app', 'on', '>pw', '~*', '&*', '+@all'] as const;
  await redis.call(...user, '-subscribe');
  const namespace = 'late';
  const openOne = (username: string): Caching => {
    const adapter = ioredis(
      { port: own.port, username, password: username === 'app' ? 'pw' : undefined },
      PATIENT,
    );
    const caching = new Caching({
      adapter,
      namespace,
      defaults: { ttl: '1m', storeTimeout: '10s' },
      l1: true,
    });
    t.teardown(() => caching.close());
    return caching;
  };
  const here = openOne('app');
  const there = openOne('default');
  await there.ready();
  const row = new Row();
  const { events, stop } = recordEvents(namespace);
  t.teardown(stop);
  // Read again and again, because the first replies come before the time of the server is known.
  for (let i = 0; i < 10; i++) {
    await here.cache.getOrSet('key', row.load);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.true(events.every(({ name, event }) => name !== 'hit' || event.tier === 'l2'));
  row.write();
  await there.cache.invalidate({ keys: ['key'] });
  await redis.call(...user);
  await here.ready();
  t.is(await here.cache.getOrSet('key', row.load), 2);
});

for (const coherence of ['bus', 'tracking'] as const) {
  test(`${coherence}: while one master of a Cluster does not answer, nothing comes from memory`, async (t) => {
    const own = await startCluster(3);
    t.teardown(() => own.stop());
    const { Cluster: ClusterClient } = MAJORS[0]!;
    const client = new ClusterClient([...own.nodes], { lazyConnect: true });
    t.teardown(() => client.disconnect());
    const { cachings, inMemory } = await open(t, coherence, [ioredis(client, PATIENT)]);
    const [here] = cachings;
    await inMemory(here!, 'key', async () => 'value');
    await own.servers[0]!.pause();
    const fromMemory = async (): Promise<boolean> => {
      const read = here!.cache.peek('key').catch(() => undefined);
      const found = await Promise.race([
        read,
        new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 20)),
      ]);
      return found?.tier === 'l1';
    };
    t.true(await fromMemory());
    await eventually('nothing from memory', async () => !(await fromMemory()));
    await own.servers[0]!.resume();
    await eventually('a value from memory', fromMemory);
  });
}

test('a message of this process, and one of a process with another prefix, name no key of it', (t) => {
  const message = encodeChanges('me', ['app:test:cache:a', 'other:test:cache:b']);
  t.deepEqual(decodeChanges(message, 'you', 'app:'), ['test:cache:a']);
  t.deepEqual(decodeChanges(message, 'me', 'app:'), []);
});

test('the bus: a storm of invalidations in one tick is a few messages', async (t) => {
  const { cachings, namespace } = await open(t, 'bus', [ioredis(server.url, PATIENT)]);
  const side = new Redis(server.url);
  t.teardown(() => side.disconnect());
  const messages: string[] = [];
  side.on('message', (_channel, payload) => messages.push(payload));
  await side.subscribe(`${namespace}:changes`);
  const keys = Array.from({ length: 600 }, (_, i) => `key ${i}`);
  const all = await Promise.all(keys.map((key) => cachings[0]!.cache.invalidate({ keys: [key] })));
  t.true(all.every(({ acknowledged }) => acknowledged));
  const named = (): string[] => messages.flatMap((payload) => (JSON.parse(payload) as string[]).slice(1));
  await eventually('all keys', () => named().length === keys.length);
  t.is(new Set(named()).size, keys.length);
  t.true(messages.length <= 5, `${messages.length} messages`);
});
