import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { ioredis } from '../../../../src/adapters/ioredis/index.js';
import { messagePrefix } from '../../../../src/core/keys/store-keys.js';
import type { Clock } from '../../../../src/core/ports/clock.js';
import { systemClock } from '../../../../src/core/shared/system-clock.js';
import { Caching, StoreUnavailableError } from '../../../../src/index.js';
import { slotOf } from '../../../../src/adapters/ioredis/commands/cluster-slot.js';
import {
  defineChannel,
  definePattern,
  pubsub,
  type Interruption,
  type MessageSource,
} from '../../../../src/pubsub/index.js';
import { eventually } from '../../../support/eventually.js';
import { startProxy } from '../../../support/proxy.js';
import { startCluster, startRedis, type RedisCluster, type RedisServer } from '../../../support/servers.js';
import { callsOf, MAJORS, type Target } from '../rig.js';

let server: RedisServer;
let cluster: RedisCluster;
test.before('start Redis', async () => {
  [server, cluster] = await Promise.all([startRedis(), startCluster(3)]);
});
test.after.always('stop Redis', async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

const PATIENT = { timeout: '20s', connectTimeout: '20s' } as const;
let opened = 0;

async function open(
  t: ExecutionContext,
  target: Target,
  options: { readonly namespace?: string; readonly clock?: Clock } = {},
) {
  const { namespace = `messages-${process.pid}-${++opened}`, clock = systemClock } = options;
  const caching = new Caching({ adapter: ioredis(target, PATIENT), namespace, clock });
  t.teardown(() => caching.close());
  await caching.ready();
  return { caching, messages: pubsub(caching), namespace };
}

type Messages = Awaited<ReturnType<typeof open>>['messages'];

async function record(messages: Messages, source: MessageSource<number>) {
  const got: number[] = [];
  const interruptions: Interruption[] = [];
  const subscription = messages.subscribe(source, (n) => void got.push(n), {
    onInterrupted: (interruption) => void interruptions.push(interruption),
  });
  await subscription.ready;
  return { got, interruptions, subscription };
}

function admin(t: ExecutionContext, url: string): Redis {
  const client = new Redis(url);
  t.teardown(() => client.disconnect());
  return client;
}

/** The ids of the connections of a role. */
async function connections(client: Redis, namespace: string, role = 'messages'): Promise<string[]> {
  const lines = String(await client.client('LIST')).split('\n');
  return lines
    .filter((line) => line.includes(` name=cachement:${namespace}:${role} `))
    .map((line) => /^id=(\d+)/.exec(line)![1]!);
}

const number = defineChannel<number>('number');

for (const { major, Redis: Client } of MAJORS) {
  test(`the connection for messages is opened by the first subscription, and closed after the last one (ioredis ${major})`, async (t) => {
    const client = new Client(server.url, { lazyConnect: true });
    t.teardown(() => client.disconnect());
    const { caching, messages, namespace } = await open(t, client);
    const side = admin(t, server.url);
    t.is(await messages.publish(number, 1), 0);
    t.deepEqual(await connections(side, namespace), []);
    const first = await record(messages, number);
    const second = await record(messages, definePattern<number>('num*'));
    t.is((await connections(side, namespace)).length, 1);
    t.is(await messages.publish(number, 2), 2);
    await eventually('both', () => first.got.length === 1 && second.got.length === 1);
    await first.subscription.unsubscribe();
    await eventually('one is left', async () => (await messages.publish(number, 3)) === 1);
    await second.subscription.unsubscribe();
    await eventually('none is left', async () => (await connections(side, namespace)).length === 0);
    const again = await record(messages, number);
    t.is(await messages.publish(number, 4), 1);
    await eventually('the message', () => again.got.includes(4));
    await caching.close();
    await eventually('nothing is left', async () => (await connections(side, namespace)).length === 0);
  });

  test(`a lost connection is made again, with the subscriptions, and the loss is said (ioredis ${major})`, async (t) => {
    const client = new Client(server.url, { lazyConnect: true });
    t.teardown(() => client.disconnect());
    const { messages, namespace } = await open(t, client);
    const side = admin(t, server.url);
    const channel = await record(messages, number);
    const pattern = await record(messages, definePattern<number>('num*'));
    await messages.publish(number, 1);
    await eventually('the message', () => channel.got.length + pattern.got.length === 2);
    const before = Date.now();
    const [id] = await connections(side, namespace);
    await side.client('KILL', 'ID', id!);
    const after = Date.now();
    await eventually(
      'the losses are said',
      () => channel.interruptions.length + pattern.interruptions.length === 2,
    );
    t.is(await messages.publish(number, 2), 2);
    await eventually('the message', () => channel.got.includes(2) && pattern.got.includes(2));
    for (const { got, interruptions } of [channel, pattern]) {
      t.deepEqual(got, [1, 2]);
      const [{ from, to }] = interruptions as [Interruption];
      t.true(from.getTime() <= after && before <= to.getTime() && from <= to);
    }
  });
}

test('a half-open connection is replaced, and the loss begins with the last message that could have arrived', async (t) => {
  const proxy = await startProxy(server);
  t.teardown(() => proxy.stop());
  const { messages, namespace } = await open(t, proxy.url);
  const publisher = await open(t, server.url, { namespace });
  const { got, interruptions, subscription } = await record(messages, number);
  await publisher.messages.publish(number, 1);
  await eventually('the message', () => got.length === 1);
  const undo = proxy.timeoutOf(`cachement:${namespace}:messages`);
  const lostAt = Date.now();
  await publisher.messages.publish(number, 2);
  await eventually('the loss is noticed', () => !subscription.isReceiving);
  await undo();
  await eventually('messages are received', () => subscription.isReceiving);
  await publisher.messages.publish(number, 3);
  await eventually('the message', () => got.includes(3));
  t.deepEqual(got, [1, 3]);
  t.is(interruptions.length, 1);
  const [{ from, to }] = interruptions as [Interruption];
  t.true(from.getTime() <= lostAt && lostAt <= to.getTime());
});

test('when the connection for commands is made again, that for messages is too: the server may be another one', async (t) => {
  const { messages, namespace } = await open(t, server.url);
  const { got, interruptions } = await record(messages, number);
  const side = admin(t, server.url);
  const [before] = await connections(side, namespace);
  const [commands] = await connections(side, namespace, 'commands');
  await side.client('KILL', 'ID', commands!);
  await eventually('another connection', async () => {
    const [id] = await connections(side, namespace);
    return id !== undefined && id !== before;
  });
  await eventually('the loss is said', () => interruptions.length === 1);
  await eventually('the message', async () => {
    await messages.publish(number, 1).catch(() => {});
    return got.includes(1);
  });
  t.pass();
});

test('the prefix of the client separates applications with one namespace, whatever characters it has', async (t) => {
  const namespace = `messages-${process.pid}-prefix`;
  const client = (keyPrefix: string): Redis => {
    const made = new Redis(server.url, { keyPrefix, lazyConnect: true });
    t.teardown(() => made.disconnect());
    return made;
  };
  const [own, other] = await Promise.all([
    open(t, client('a*[b]?\\:'), { namespace }),
    open(t, client('axb:'), { namespace }),
  ]);
  const [channel, pattern, foreign] = await Promise.all([
    record(own.messages, number),
    record(own.messages, definePattern<number>('*')),
    record(other.messages, definePattern<number>('*')),
  ]);
  await other.messages.publish(number, 1);
  await own.messages.publish(number, 2);
  await eventually('the messages', () => [channel, pattern, foreign].every(({ got }) => got.length > 0));
  t.deepEqual([channel.got, pattern.got, foreign.got], [[2], [2], [1]]);
});

test('a channel that the server refuses is said, and does not end the others', async (t) => {
  const side = admin(t, server.url);
  const namespace = `messages-${process.pid}-acl`;
  const prefix = messagePrefix(namespace, '', false);
  await side.call(
    ...(['ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '+@all', 'resetchannels'] as const),
    ...[`&${namespace}:wake*`, `&${prefix}number`, `&${prefix}num*`],
  );
  const { messages } = await open(
    t,
    { host: server.host, port: server.port, username: 'limited', password: 'pw' },
    { namespace },
  );
  const allowed = await record(messages, number);
  // For a pattern, the user needs this very pattern.
  const pattern = await record(messages, definePattern<number>('num*'));
  for (const source of [defineChannel<number>('secret'), definePattern<number>('*')]) {
    const { ready } = messages.subscribe(source, () => {});
    const error = await t.throwsAsync(ready, { instanceOf: StoreUnavailableError });
    t.is((error as StoreUnavailableError).outcome, 'refused');
    t.regex(error.message, /SUBSCRIBE was refused by .*NOPERM/);
  }
  await messages.publish(number, 1);
  await eventually('the message', () => allowed.got.length === 1 && pattern.got.length === 1);
  await t.throwsAsync(messages.publish(defineChannel<number>('secret'), 1), {
    instanceOf: StoreUnavailableError,
  });
});

test('while the server is away a subscription waits, and publish fails at once', async (t) => {
  const own = await startRedis();
  t.teardown(() => own.stop());
  const proxy = await startProxy(own);
  t.teardown(() => proxy.stop());
  const { messages } = await open(t, proxy.url);
  const up = proxy.down();
  await eventually('the loss is noticed', () =>
    messages.publish(number, 1).then(
      () => false,
      () => true,
    ),
  );
  let isReady = false;
  const subscription = messages.subscribe(number, () => {});
  void subscription.ready.then(() => (isReady = true));
  await t.throwsAsync(messages.publish(number, 1), { instanceOf: StoreUnavailableError });
  t.false(isReady);
  await up();
  await subscription.ready;
  t.true(subscription.isReceiving);
});

test('in a Cluster, all messages of a channel are published by one node, so that none overtakes another', async (t) => {
  const { Cluster } = MAJORS[0];
  const client = new Cluster([...cluster.nodes], { lazyConnect: true });
  t.teardown(() => client.disconnect());
  const { messages } = await open(t, client);
  const sides = cluster.servers.map(({ url }) => admin(t, url));
  for (const side of sides) await side.config('RESETSTAT');
  for (let n = 0; n < 20; n++) await messages.publish(number, n);
  const calls = await Promise.all(sides.map((side) => callsOf(side, 'publish')));
  t.is(calls.filter((count) => count >= 20).length, 1, calls.join());
});

const moving = defineChannel<number>('moving', { sharded: true });

/** A subscriber of `moving`, and its slot, which the test moves from master to master. */
async function followed(
  t: ExecutionContext,
  { Cluster }: (typeof MAJORS)[number],
  after: Clock['after'] = systemClock.after,
) {
  const client = new Cluster([...cluster.nodes], { lazyConnect: true });
  t.teardown(() => client.disconnect());
  const { messages, namespace } = await open(t, client, { clock: { ...systemClock, after } });
  const slot = slotOf(messagePrefix(namespace, '', true) + moving.name);
  const sides = cluster.servers.map(({ url }) => admin(t, url));
  const ids = await Promise.all(sides.map(async (side) => String(await side.cluster('MYID'))));
  const owner = Math.min(2, Math.floor((slot * 3) / 16_384));
  const subscriber = await record(messages, moving);
  t.is(await messages.publish(moving, 1), 1);
  await eventually('the message', () => subscriber.got.length === 1);
  return {
    messages,
    ...subscriber,
    /** Moves the slot to a master, counted from its first one. The new master first, as redis-cli does. */
    move: async (to: number): Promise<void> => {
      const target = (owner + to) % 3;
      for (const i of [target, 0, 1, 2]) await sides[i]!.cluster('SETSLOT', slot, 'NODE', ids[target]!);
    },
  };
}

for (const major of MAJORS) {
  test.serial(
    `a sharded channel follows its slot to another master, and the loss is said (ioredis ${major.major})`,
    async (t) => {
      const { messages, got, interruptions, subscription, move } = await followed(t, major);
      for (const [to, n] of [
        [1, 2],
        [0, 3],
      ] as const) {
        const before = Date.now();
        const said = interruptions.length;
        await move(to);
        await eventually('the loss is said', () => interruptions.length > said && subscription.isReceiving);
        t.true(
          interruptions.at(-1)!.from.getTime() <= Date.now() && before <= interruptions.at(-1)!.to.getTime(),
        );
        t.is(await messages.publish(moving, n), 1);
        await eventually('the message', () => got.includes(n));
      }
      t.deepEqual(got, [1, 2, 3]);
    },
  );
}

test.serial('a sharded channel that leaves its master and comes back is subscribed again', async (t) => {
  // The slot table is read when the slot is back.
  const after: Clock['after'] = (ms, task) => systemClock.after(ms === 50 ? 500 : ms, task);
  const { messages, got, interruptions, subscription, move } = await followed(t, MAJORS[0], after);
  await move(1);
  await move(0);
  await eventually('the loss is said', () => interruptions.length === 1 && subscription.isReceiving);
  t.is(await messages.publish(moving, 2), 1);
  await eventually('the message', () => got.includes(2));
  t.deepEqual(got, [1, 2]);
});

test.serial(
  'a sharded channel whose move nobody reports is found by the slot table, and the loss begins with the table before',
  async (t) => {
    // Earlier versions of ioredis 5 do not have this event.
    const { emit } = Redis.prototype;
    Redis.prototype.emit = function (this: Redis, event: string | symbol, ...args: unknown[]) {
      return event === 'moved' || emit.call(this, event, ...args);
    };
    t.teardown(() => {
      Redis.prototype.emit = emit;
    });
    // Two PINGs are answered between two readings of the table.
    const after: Clock['after'] = (ms, task) => systemClock.after(ms === 5_000 ? 2_000 : ms, task);
    const { messages, got, interruptions, move } = await followed(t, MAJORS[0], after);
    await move(1);
    t.is(await messages.publish(moving, 2), 0);
    const lostAt = Date.now();
    await eventually('the loss is said', () => interruptions.length === 1);
    const [{ from, to }] = interruptions as [Interruption];
    t.true(from.getTime() <= lostAt && lostAt <= to.getTime());
    await messages.publish(moving, 3);
    await eventually('the message', () => got.includes(3));
    t.deepEqual(got, [1, 3]);
  },
);

test('a Cluster without sharded pub/sub (Redis 6) is named, with what to do', async (t) => {
  const old = await startCluster(3, {
    args: ['--rename-command', 'SSUBSCRIBE', '', '--rename-command', 'SPUBLISH', ''],
  });
  t.teardown(() => old.stop());
  const { Cluster } = MAJORS[0];
  const client = new Cluster([...old.nodes], { lazyConnect: true });
  t.teardown(() => client.disconnect());
  const { messages } = await open(t, client);
  const channel = defineChannel<number>('n', { sharded: true });
  const { ready } = messages.subscribe(channel, () => {});
  await t.throwsAsync(ready, { message: /need Redis 7\.0 or newer: upgrade it, or leave out `sharded`/ });
  await t.throwsAsync(messages.publish(channel, 1), { message: /need Redis 7\.0 or newer/ });
  const plain = await record(messages, number);
  await messages.publish(number, 1);
  await eventually('the message', () => plain.got.length === 1);
});
