import test, { type ExecutionContext } from 'ava';
import { Cluster } from 'ioredis';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { memory } from '../../../../src/adapters/memory/index.js';
import { Caching, createDecorators, OptionsError, StoreUnavailableError } from '../../../../src/index.js';
import { recordEvents } from '../../../../src/testing/record-events.js';
import { eventually } from '../../../support/eventually.js';
import { freePort } from '../../../support/free-port.js';
import { startCluster, startRedis, startSentinel, type RedisServer } from '../../../support/servers.js';
import { admin, ready } from '../rig.js';

const ONE = { waitReplicas: { count: 1, timeout: '20s' } } as const;
const BRIEFLY = { waitReplicas: { count: 1, timeout: '100ms' } } as const;

/** A primary with a replica, which the test may kill. */
async function pair(
  t: ExecutionContext,
): Promise<{ readonly primary: RedisServer; readonly replica: RedisServer }> {
  const servers = await startSentinel();
  // Without the sentinel nobody promotes the replica but the test.
  await servers.sentinel.stop();
  t.teardown(servers.stop);
  return servers;
}

function cachingOn(t: ExecutionContext, target: Parameters<typeof ioredis>[0], namespace = 'shop'): Caching {
  const adapter = ioredis(target, { timeout: '10s', connectTimeout: '10s' });
  const caching = new Caching({ adapter, namespace, defaults: { ttl: '1m', storeTimeout: '10s' } });
  t.teardown(() => caching.close());
  return caching;
}

test('waitReplicas reports how many replicas have the invalidation; commands do not wait behind it', async (t) => {
  t.timeout(60_000);
  const { primary, replica } = await pair(t);
  const { cache } = cachingOn(t, primary.url);
  const side = admin(t, replica.url);
  await cache.set('user:1', 'old', { tags: ['users'] });
  await eventually('the replica has the value', async () => (await side.exists('shop:cache:user:1')) === 1);
  t.deepEqual(await cache.invalidate({ keys: ['user:1'] }, ONE), { acknowledged: true, replicas: 1 });
  t.is(await side.exists('shop:cache:user:1'), 0);
  t.deepEqual(await cache.invalidate({ tags: ['users'] }, ONE), { acknowledged: true, replicas: 1 });
  t.is(await side.exists('shop:tag:{shop}:users'), 0);
  t.deepEqual(await cache.clear(ONE), { acknowledged: true, replicas: 1 });
  t.deepEqual(await cache.invalidate({ keys: [] }, ONE), { acknowledged: true }, 'Nothing is invalidated.');

  await replica.pause();
  t.deepEqual(await cache.invalidate({ keys: ['user:1'] }, BRIEFLY), { acknowledged: true, replicas: 0 });
  const waiting = ['a', 'b', 'c'].map((key) => cache.invalidate({ keys: [key] }, ONE));
  t.true(await cache.set('user:2', 'new'));
  t.is(await cache.get('user:2'), 'new', 'Other calls go on while it waits.');
  await replica.resume();
  for (const one of await Promise.all(waiting)) t.deepEqual(one, { acknowledged: true, replicas: 1 });
});

test('@Invalidates and transactions wait for replicas, and an event tells if fewer have the invalidation', async (t) => {
  t.timeout(60_000);
  const { primary, replica } = await pair(t);
  const caching = cachingOn(t, primary.url, 'told');
  const { cache } = caching;
  const events = recordEvents(caching.namespace);
  t.teardown(events.stop);
  const { Invalidates } = createDecorators(caching);
  class Users {
    @Invalidates({ keys: 'user:{0}', tags: 'users', ...ONE })
    async save(id: string): Promise<string> {
      return id;
    }
    @Invalidates({ keys: 'user:{0}', ...BRIEFLY })
    async saveBriefly(id: string): Promise<string> {
      return id;
    }
    @Invalidates({ keys: 'user:{0}', safe: '30s', ...BRIEFLY })
    async saveSafely(id: string): Promise<string> {
      return id;
    }
  }
  const users = new Users();
  const side = admin(t, replica.url);
  const onReplica = async (key: string): Promise<number> => side.exists(`told:cache:${key}`);
  const store = async (key: string): Promise<void> => {
    await cache.set(key, 'old');
    await eventually('the replica has the value', async () => (await onReplica(key)) === 1);
  };
  const told = () =>
    events.of('underReplicated').map(({ method, keys, replicas, count }) => [method, keys, replicas, count]);

  await store('user:1');
  t.is(await users.save('1'), '1');
  t.is(await onReplica('user:1'), 0);
  await store('user:1');
  t.is(await caching.transaction(() => users.save('1')), '1');
  t.is(await onReplica('user:1'), 0, 'The commit waits for what the invalidation asks for.');
  await store('user:1');
  await caching.transaction(() => cache.invalidate({ keys: ['user:1'] }), ONE);
  t.is(await onReplica('user:1'), 0);
  const deferred = caching.deferInvalidations(ONE);
  await deferred.run(() => caching.transaction(() => users.saveBriefly('1')));
  t.deepEqual(await deferred.commit(), { acknowledged: true, replicas: 1 }, 'Its own option counts.');
  const ofSavepoint = caching.deferInvalidations();
  await ofSavepoint.run(() => caching.transaction(() => users.save('1')));
  t.deepEqual(
    await ofSavepoint.commit(),
    { acknowledged: true, replicas: 1 },
    'As that of a savepoint does.',
  );
  t.deepEqual(told(), []);

  await replica.pause();
  t.is(await users.saveBriefly('1'), '1');
  t.is(await users.saveSafely('1'), '1');
  t.is(await caching.transaction(() => users.saveBriefly('2')), '2');
  t.deepEqual(told(), [
    ['Users.saveBriefly', ['user:1'], 0, 1],
    ['Users.saveSafely', ['user:1'], 0, 1],
    [undefined, ['user:2'], 0, 1],
  ]);
  t.true(events.of('invalidate').every(({ acknowledged }) => acknowledged));
  await replica.resume();
});

test('I20: a failover brings an invalidated value back if no replica has the invalidation, which waitReplicas reports', async (t) => {
  t.timeout(60_000);
  const { primary, replica } = await pair(t);
  const { cache } = cachingOn(t, primary.url);
  const side = admin(t, replica.url);
  for (const key of ['reported', 'lost']) await cache.set(key, 'old');
  await eventually('the replica has the values', async () => (await side.dbsize()) >= 3);
  t.deepEqual(await cache.invalidate({ keys: ['reported'] }, ONE), { acknowledged: true, replicas: 1 });

  await replica.pause();
  await admin(t, primary.url).call('CLIENT', 'KILL', 'TYPE', 'replica');
  t.deepEqual(await cache.invalidate({ keys: ['lost'] }, BRIEFLY), { acknowledged: true, replicas: 0 });
  await primary.kill();
  await replica.resume();
  await side.replicaof('NO', 'ONE');

  const after = cachingOn(t, replica.url).cache;
  t.is(await after.get('reported'), undefined);
  t.is(await after.get('lost'), 'old');
  t.true((await side.pttl('shop:cache:lost')) > 0, 'It heals when its ttl ends.');
});

test('a removal whose connection has changed meanwhile is not counted', async (t) => {
  t.timeout(60_000);
  const { primary } = await pair(t);
  const { entries, entry, namespace } = await ready(t, primary.url);
  const keys = [entry('k')];
  t.is(await entries.replicated((own) => own.remove(keys), keys, 1, 20_000), 1);
  const side = admin(t, primary.url);
  const idOfConnection = async (): Promise<string | undefined> => {
    const list = (await side.call('CLIENT', 'LIST')) as string;
    return new RegExp(`id=(\\d+) .*name=cachement:${namespace}:replicated `).exec(list)?.[1];
  };
  const removal = entries.replicated(
    async (own) => {
      await own.remove(keys);
      const id = await idOfConnection();
      await side.call('CLIENT', 'KILL', 'ID', id!);
      await eventually('it is connected again', async () => {
        const next = await idOfConnection();
        return next !== undefined && next !== id;
      });
      await eventually('and can be used', () =>
        own.remove(keys).then(
          () => true,
          () => false,
        ),
      );
    },
    keys,
    1,
    20_000,
  );
  await t.throwsAsync(removal, {
    instanceOf: StoreUnavailableError,
    message: /has changed during the removal/,
  });
  t.is(await entries.replicated((own) => own.remove(keys), keys, 1, 20_000), 1, 'The next one is.');
});

test('if it is not known how many replicas have it, the number is 0 and an error is published', async (t) => {
  t.timeout(60_000);
  const server = await startRedis({ local: true });
  t.teardown(() => server.stop());
  const adapter = ioredis(server.url, { timeout: '300ms' });
  const caching = new Caching({ adapter, namespace: `wait-${process.pid}`, defaults: { ttl: '1m' } });
  t.teardown(() => caching.close());
  const events = recordEvents(caching.namespace);
  t.teardown(events.stop);
  await caching.ready();
  t.deepEqual(await caching.cache.clear(BRIEFLY), { acknowledged: true, replicas: 0 }, 'It has no replica.');
  t.is(events.of('error').length, 0);
  const side = admin(t, server.url);
  await side.call('ACL', 'SETUSER', 'default', '-wait');
  t.deepEqual(
    await caching.cache.clear(BRIEFLY),
    { acknowledged: true, replicas: 0 },
    'It has not the right.',
  );
  t.regex(String(events.of('error')[0]?.error), /NOPERM.*wait/s);
  await side.call('ACL', 'SETUSER', 'default', '+wait');
  const waiting = caching.cache.invalidate({ keys: ['a'] }, ONE);
  await eventually('it is blocked', async () => (await side.info('clients')).includes('blocked_clients:1'));
  await server.kill();
  t.deepEqual(await waiting, { acknowledged: true, replicas: 0 });
  t.deepEqual(
    events.of('error').map(({ operation }) => operation),
    ['replicated', 'replicated'],
  );
  t.deepEqual(await caching.cache.invalidate({ keys: ['a'] }, ONE), { acknowledged: false, replicas: 0 });
});

test('in a Cluster the master with the fewest replicas counts', async (t) => {
  t.timeout(120_000);
  const cluster = await startCluster(2);
  t.teardown(() => cluster.stop());
  const [first] = cluster.servers;
  const replica = await startRedis({
    local: true,
    args: ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())],
  });
  t.teardown(() => replica.stop());
  const [a, b] = cluster.servers.map(({ url }) => admin(t, url));
  const side = admin(t, replica.url);
  const busPort = async (): Promise<string> => ((await side.config('GET', 'cluster-port')) as string[])[1]!;
  await a!.call('CLUSTER', 'MEET', replica.host, String(replica.port), await busPort());
  const id = (await a!.call('CLUSTER', 'MYID')) as string;
  await eventually('it is a replica', () =>
    side.call('CLUSTER', 'REPLICATE', id).then(
      () => true,
      () => false,
    ),
  );
  await eventually('it is in step', async () =>
    (await side.info('replication')).includes('master_link_status:up'),
  );
  const { cache } = cachingOn(t, new Cluster([...cluster.nodes], { lazyConnect: true }));
  const slotOf = async (key: string): Promise<number> =>
    Number(await b!.call('CLUSTER', 'KEYSLOT', `shop:cache:${key}`));
  const keys = Array.from({ length: 50 }, (_, i) => `key${i}`);
  const slots = await Promise.all(keys.map(slotOf));
  const ofFirst = keys.find((_, i) => slots[i]! < 8_192)!;
  const ofSecond = keys.find((_, i) => slots[i]! >= 8_192)!;
  t.truthy(first);
  t.deepEqual(await cache.invalidate({ keys: [ofFirst] }, ONE), { acknowledged: true, replicas: 1 });
  t.deepEqual(await cache.invalidate({ keys: [ofSecond] }, BRIEFLY), { acknowledged: true, replicas: 0 });
  t.deepEqual(await cache.invalidate({ keys: [ofFirst, ofSecond] }, BRIEFLY), {
    acknowledged: true,
    replicas: 0,
  });
});

test('memory() has no replicas, and a deferred invalidation does not wait', async (t) => {
  const caching = new Caching({ adapter: memory(), defaults: { ttl: '1m' } });
  t.teardown(() => caching.close());
  t.deepEqual(await caching.cache.invalidate({ keys: ['a'] }, ONE), { acknowledged: true });
  await caching.transaction(async () => {
    t.deepEqual(await caching.cache.invalidate({ keys: ['a'] }, ONE), {
      acknowledged: false,
      deferred: true,
    });
  });
  const untyped = caching.cache as unknown as { clear(options: object): Promise<unknown> };
  await t.throwsAsync(untyped.clear({ waitReplicas: {} }), {
    instanceOf: OptionsError,
    message: 'waitReplicas of invalidate needs a count: waitReplicas: { count: 1 }.',
  });
  await t.throwsAsync(untyped.clear({ waitReplicas: { count: 0 } }), { instanceOf: OptionsError });
  t.throws(() => caching.deferInvalidations({ waitReplicas: {} as never }), {
    instanceOf: OptionsError,
    message: 'waitReplicas of deferInvalidations needs a count: waitReplicas: { count: 1 }.',
  });
  const { Invalidates } = createDecorators(caching);
  const define = (waitReplicas: object) => () => {
    class Users {
      @Invalidates({ keys: 'user', waitReplicas: waitReplicas as never })
      async save(): Promise<string> {
        return 'saved';
      }
    }
    return new Users();
  };
  t.throws(define({}), {
    instanceOf: OptionsError,
    message: 'waitReplicas of @Invalidates on save needs a count: waitReplicas: { count: 1 }.',
  });
  t.throws(define({ count: 1, timeout: 'soon' }), { instanceOf: OptionsError });
  const events = recordEvents(caching.namespace);
  t.teardown(events.stop);
  t.is(await define(ONE.waitReplicas)().save(), 'saved');
  t.deepEqual(events.of('underReplicated'), []);
});
