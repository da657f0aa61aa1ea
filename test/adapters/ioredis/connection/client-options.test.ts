import test from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { newToken } from '../../../../src/core/shared/token.js';
import { eventually } from '../../../support/eventually.js';
import { redisForFile, startCluster } from '../../../support/servers.js';
import { admin, MAJORS, ready, store, valueOf } from '../rig.js';
import { LATER } from '../../../support/later.js';

const server = redisForFile(test, { args: ['--databases', '4'] });

for (const { major, Redis: Class } of MAJORS) {
  test(`a passed client is neither used nor closed (ioredis ${major})`, async (t) => {
    const mine = new Class(server().url, { connectionName: `mine-${major}` });
    t.teardown(() => mine.disconnect());
    await mine.ping();
    const { sendCommand } = mine;
    const used: string[] = [];
    mine.sendCommand = (command, stream) => {
      used.push(command.name);
      return sendCommand.call(mine, command, stream);
    };
    const listeners = mine.eventNames().map((name) => [name, mine.listenerCount(name)]);
    const options = { ...mine.options };
    const { backend, entries, entry } = await ready(t, mine);
    await store(entries, entry('a'));
    await entries.read(entry('a'), []);
    await backend.close();
    t.deepEqual(used, []);
    t.deepEqual(
      mine.eventNames().map((name) => [name, mine.listenerCount(name)]),
      listeners,
    );
    t.deepEqual({ ...mine.options }, options);
    t.is(await mine.ping(), 'PONG');
  });

  test(`connections have the class of the passed client (ioredis ${major})`, async (t) => {
    const made: object[] = [];
    class Mine extends Class {
      override duplicate(...args: Parameters<Redis['duplicate']>): Redis {
        const client = super.duplicate(...args);
        made.push(client);
        return client;
      }
    }
    await ready(t, new Mine(server().url, { lazyConnect: true }));
    t.true(made.length >= 2);
    t.true(made.every((client) => client instanceof Class));
  });

  test(`keyPrefix applies to keys, not to channels (ioredis ${major})`, async (t) => {
    const url = server().url;
    const side = admin(t, url);
    const { entries, entry, tag, clear, tagChanges, namespace, woken, listening } = await ready(
      t,
      new Class(url, { keyPrefix: 'app:', lazyConnect: true }),
    );
    await listening(entry('a'));
    const token = newToken();
    await entries.lease(entry('a'), token, 60_000, undefined);
    t.is((await entries.lease(entry('a'), newToken(), 60_000, undefined)).status, 'held');
    await entries.fill(entry('a'), token, valueOf(token), LATER);
    await entries.getOrCreateNonces([clear, tag('x')], tagChanges, newToken(), 60_000);
    t.is((await entries.nonces([clear, tag('x')])).filter((nonce) => nonce === null).length, 0);
    t.truthy((await entries.read(entry('a'), [clear])).record);
    await eventually('it wakes', () => woken.length > 0);
    t.deepEqual(woken, [entry('a')]);
    t.deepEqual(
      (await side.keys(`*${namespace}:*`)).sort(),
      [entry('a'), clear, tag('x'), tagChanges].map((key) => `app:${key}`).sort(),
    );
    const channels = (await side.pubsub('CHANNELS', `*${namespace}*`)) as string[];
    t.deepEqual(channels.sort(), [`${namespace}:wake`, `${namespace}:wake:app:${entry('a')}`]);
    // Another application with the same namespace and another prefix.
    await side.publish(`${namespace}:wake`, `other:${entry('a')}`);
    await side.publish(`${namespace}:wake`, '');
    await side.publish(`${namespace}:wake`, `app:${entry('b')}`);
    await eventually('the last one came', () => woken.includes(entry('b')));
    t.deepEqual(woken, [entry('a'), entry('b')]);
    await entries.remove([entry('a')]);
    t.is(await side.exists(`app:${entry('a')}`), 0);
  });

  test(`unsafe options of a passed client are not used (ioredis ${major})`, async (t) => {
    const made: { options: Record<string, unknown> }[] = [];
    class Mine extends Class {
      override duplicate(...args: Parameters<Redis['duplicate']>): Redis {
        const client = super.duplicate(...args);
        made.push(client as never);
        return client;
      }
    }
    const mine = new Mine(server().url, {
      lazyConnect: true,
      db: 3,
      commandTimeout: 1,
      socketTimeout: 1,
      enableOfflineQueue: true,
      maxRetriesPerRequest: null,
      enableAutoPipelining: true,
      autoResendUnfulfilledCommands: true,
      autoResubscribe: true,
      stringNumbers: true,
      readOnly: true,
      showFriendlyErrorStack: true,
      retryStrategy: () => null,
      reconnectOnError: () => 2,
      scripts: { mine: { lua: 'return 1', numberOfKeys: 0 } },
      ...(major === 6 ? ({ protocol: 3, replyMapping: 'resp3' } as object) : {}),
    });
    const { entries, entry } = await ready(t, mine);
    await store(entries, entry('a'));
    t.is((await entries.lease(entry('b'), newToken(), 60_000, undefined)).status, 'granted');
    for (const { options } of made) {
      t.like(options, {
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
        autoResubscribe: false,
        enableAutoPipelining: false,
        commandTimeout: undefined,
        socketTimeout: undefined,
        stringNumbers: false,
        readOnly: false,
        protocol: 2,
        reconnectOnError: null,
        scripts: undefined,
        keyPrefix: '',
        db: 3,
      });
    }
    const side = new Redis(server().url, { db: 3 });
    t.teardown(() => side.disconnect());
    t.is(await side.exists(entry('a')), 1, 'in the database of the client');
  });
}

test('a passed Cluster client keeps its prefix and is neither used nor closed', async (t) => {
  const cluster = await startCluster(2);
  t.teardown(() => cluster.stop());
  for (const { Cluster } of MAJORS) {
    const mine = new Cluster([...cluster.nodes], {
      redisOptions: { keyPrefix: 'app:', stringNumbers: true },
    });
    t.teardown(() => mine.disconnect());
    await mine.ping();
    const { backend, entries, entry, clear } = await ready(t, mine);
    const record = await store(entries, entry('a'));
    t.true(record.equals((await entries.read(entry('a'), [clear])).record!));
    const sides = cluster.servers.map(({ url }) => admin(t, url));
    const keys = (await Promise.all(sides.map((side) => side.keys('*')))).flat();
    t.true(keys.includes(`app:${entry('a')}`));
    await backend.close();
    t.is(mine.status, 'ready');
  }
});

test.serial('an adapter opens nothing until a Caching uses it', async (t) => {
  const before = process.getActiveResourcesInfo();
  ioredis('redis://localhost:1');
  ioredis({ host: 'localhost', port: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(process.getActiveResourcesInfo(), before);
});
