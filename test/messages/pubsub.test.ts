import { AsyncLocalStorage } from 'node:async_hooks';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { memory } from '../../src/adapters/memory/index.js';
import {
  Caching,
  defineCodec,
  KeyError,
  OptionsError,
  StoreUnavailableError,
  ValueError,
  withContext,
  type CachementEvents,
} from '../../src/index.js';
import {
  defineChannel,
  definePattern,
  pubsub,
  type MessageContext,
  type MessageSource,
  type SubscribeOptions,
} from '../../src/pubsub/index.js';
import type { MessageListener } from '../../src/core/ports/message-bus.js';
import { fakeClock } from '../../src/testing/index.js';
import { recordEvents } from '../../src/testing/record-events.js';
import type { CachingOptions } from '../../src/core/caching.js';
import { deferred } from '../support/deferred.js';

let opened = 0;

function open(t: ExecutionContext, options: Partial<CachingOptions> = {}) {
  const clock = fakeClock();
  const namespace = `pubsub-${++opened}`;
  const caching = new Caching({ adapter: memory(), namespace, clock, ...options });
  const { of, stop } = recordEvents(namespace);
  t.teardown(async () => {
    await Promise.all([caching.close(), clock.advance(60_000)]);
    stop();
  });
  /** Subscribes, and records what the handler gets. */
  const record = async <M>(
    source: MessageSource<M>,
    handle: (message: M, context: MessageContext) => unknown = () => {},
    options?: SubscribeOptions,
  ) => {
    const got: M[] = [];
    const channels: string[] = [];
    const subscription = pubsub(caching).subscribe(
      source,
      (message, context) => {
        got.push(message);
        channels.push(context.channel);
        return handle(message, context);
      },
      options,
    );
    await subscription.ready;
    return { got, channels, subscription };
  };
  return { caching, clock, of, messages: pubsub(caching), record, settle: () => clock.advance(0) };
}

const errors = (events: readonly CachementEvents['error'][]): string[] =>
  events.map(({ operation, key, error }) => `${operation} ${key}: ${(error as Error).message}`);

test('a message comes back equal, also with values that JSON does not have', async (t) => {
  class Money {
    readonly cents: number;
    constructor(cents: number) {
      this.cents = cents;
    }
  }
  const { messages, record, settle } = open(t, { codecs: [defineCodec({ type: Money, name: 'Money' })] });
  const channel = defineChannel<unknown>('any');
  const { got } = await record(channel);
  const sent = [
    ...[null, undefined, 0, -1, '', 'text', true, false, [], {}, { a: [1] }],
    ...[
      new Date(0),
      new Map([[1, new Set([2n])]]),
      Buffer.from('\u0000\t{'),
      new Uint8Array([9]),
      Number.NaN,
    ],
    new Money(5),
  ];
  for (const message of sent) await messages.publish(channel, message);
  await settle();
  t.deepEqual(got, sent);
});

test('what JSON keeps is sent as JSON, and JSON of others is received', async (t) => {
  const { caching, messages, record, settle } = open(t);
  const channel = defineChannel<{ id: string }>('users');
  const payloads: string[] = [];
  const listener: MessageListener = {
    message: (_channel, payload) => void payloads.push(Buffer.from(payload).toString()),
    resumed() {},
    interrupted() {},
    refused: (error) => t.fail(error.message),
  };
  const subject = { kind: 'channel', name: 'users' } as const;
  caching.backend.messages.subscribe(subject, listener);
  const { got } = await record(channel);
  await messages.publish(channel, { id: 'é' });
  await caching.backend.messages.publish(subject, Buffer.from(' { "id" : "2" } '));
  await settle();
  t.is(payloads[0], '{"id":"é"}');
  t.deepEqual(got, [{ id: 'é' }, { id: '2' }]);
});

test('publish returns how many have received it, and nobody needs to', async (t) => {
  const { messages, record } = open(t);
  const channel = defineChannel<number>('n');
  t.is(await messages.publish(channel, 1), 0);
  await record(channel);
  await record(channel);
  t.is(await messages.publish(channel, 2), 1);
  await record(definePattern<number>('*'));
  t.is(await messages.publish(channel, 3), 2);
});

test('publish refuses what the schema rejects, what cannot be encoded, and what is too large: nothing is sent', async (t) => {
  const { messages, record, settle, of } = open(t);
  const channel = defineChannel('user.changed', { schema: z.object({ id: z.string() }), maxBytes: 20 });
  const { got } = await record(channel);
  const rejected = await t.throwsAsync(messages.publish(channel, { id: 5 } as never), {
    instanceOf: ValueError,
  });
  t.is((rejected as ValueError).reason, 'rejected');
  t.regex(
    rejected.message,
    /^Expected a message that the schema of channel 'user.changed' accepts: id: .*Nothing was published\.$/,
  );
  const large = await t.throwsAsync(messages.publish(channel, { id: 'x'.repeat(20) }), {
    instanceOf: ValueError,
  });
  t.is((large as ValueError).reason, 'too-large');
  t.regex(large.message, /at most 20 bytes on channel 'user.changed'; it has 29/);
  const any = defineChannel<unknown>('user.changed');
  await t.throwsAsync(
    messages.publish(any, () => {}),
    { instanceOf: ValueError },
  );
  await settle();
  t.deepEqual(got, []);
  t.deepEqual(of('error'), []);
});

test('a schema may transform: it gets what was published on both sides, and the handler its output', async (t) => {
  const { messages, record, settle } = open(t);
  const channel = defineChannel('times', {
    schema: z.object({ at: z.string().transform((text) => new Date(text)) }),
  });
  const { got } = await record(channel);
  await messages.publish(channel, { at: '2026-01-01T00:00:00.000Z' });
  await settle();
  t.deepEqual(got, [{ at: new Date('2026-01-01T00:00:00.000Z') }]);
});

test('a received message that is invalid is an event, and the next one is handled', async (t) => {
  const { caching, messages, record, settle, of } = open(t);
  const channel = defineChannel('user.changed', { schema: z.object({ id: z.string() }), maxBytes: 30 });
  const loose = defineChannel<unknown>('user.changed');
  const { got } = await record(channel);
  const subject = { kind: 'channel', name: 'user.changed' } as const;
  await messages.publish(loose, { id: 1 });
  await messages.publish(loose, { id: 'x'.repeat(30) });
  for (const bytes of ['', '{', '\u0007', '{"__proto__":1}']) {
    await caching.backend.messages.publish(subject, Buffer.from(bytes));
  }
  await messages.publish(loose, { id: 'good' });
  await settle();
  t.deepEqual(got, [{ id: 'good' }]);
  t.deepEqual(
    of('error').map(({ operation, key, error }) => [operation, key, (error as ValueError).reason]),
    [
      ['message', 'user.changed', 'rejected'],
      ['message', 'user.changed', 'too-large'],
      ...Array.from({ length: 4 }, () => ['message', 'user.changed', 'unsupported']),
    ],
  );
});

test('a channel with placeholders is named by the message, and its subscription gets all its channels', async (t) => {
  const { messages, record, settle } = open(t);
  interface Order {
    readonly region: string;
    readonly id: string;
  }
  const orders = defineChannel<Order>('orders:{0.region}:{0.id}');
  const eu = defineChannel<Order>('orders:eu:1');
  const all = await record(orders);
  const one = await record(eu);
  await messages.publish(orders, { region: 'eu', id: '1' });
  await messages.publish(orders, { region: 'a:b*', id: '{2}' });
  // Other channels that the pattern of Redis takes for one of these.
  await messages.publish(defineChannel<Order>('orders:eu:1:lines'), { region: 'eu', id: '1' });
  await settle();
  t.deepEqual(all.channels, ['orders:eu:1', 'orders:a%3Ab%2A:%7B2%7D']);
  t.deepEqual(one.channels, ['orders:eu:1']);
  await t.throwsAsync(messages.publish(orders, { region: {} as never, id: '1' }), { instanceOf: KeyError });
  const long = await t.throwsAsync(messages.publish(orders, { region: 'x'.repeat(300), id: '1' }));
  t.regex(long.message, /more than 256 characters/);
});

test('a pattern gets all channels that match, with their names', async (t) => {
  const { messages, record, settle } = open(t);
  const orders = definePattern<number>('orders:*:placed');
  const { got, channels } = await record(orders);
  for (const [i, name] of [
    'orders:eu:placed',
    'orders:placed',
    'orders::placed',
    'orders:a:b:placed',
  ].entries())
    await messages.publish(defineChannel<number>(name), i);
  await settle();
  t.deepEqual(got, [0, 2, 3]);
  t.deepEqual(channels, ['orders:eu:placed', 'orders::placed', 'orders:a:b:placed']);
});

test('messages of one subscription are handled one after the other, in order', async (t) => {
  const { messages, record, settle } = open(t);
  const channel = defineChannel<number>('n');
  const steps: string[] = [];
  const gates = [deferred(), deferred(), deferred()];
  await record(channel, async (n) => {
    steps.push(`begin ${n}`);
    await gates[n]!.promise;
    steps.push(`end ${n}`);
  });
  for (const n of [0, 1, 2]) await messages.publish(channel, n);
  for (const n of [2, 1, 0]) gates[n]!.resolve();
  await settle();
  t.deepEqual(steps, ['begin 0', 'end 0', 'begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('with concurrency 2, two messages are handled at the same time', async (t) => {
  const { messages, record, settle } = open(t);
  const channel = defineChannel<number>('n');
  const gate = deferred();
  let most = 0;
  let running = 0;
  await record(
    channel,
    async () => {
      most = Math.max(most, ++running);
      await gate.promise;
      running--;
    },
    { concurrency: 2 },
  );
  for (const n of [0, 1, 2, 3]) await messages.publish(channel, n);
  await settle();
  t.is(running, 2);
  gate.resolve();
  await settle();
  t.is(most, 2);
  t.is(running, 0);
});

test('what a handler throws, rejects or never finishes does not stop another one', async (t) => {
  const { messages, record, settle, of } = open(t);
  const channel = defineChannel<number>('n');
  await record(channel, () => {
    throw new Error('thrown');
  });
  await record(channel, async () => {
    throw new Error('rejected');
  });
  const hung = await record(channel, () => new Promise(() => {}));
  const good = await record(channel);
  await messages.publish(channel, 1);
  await messages.publish(channel, 2);
  await settle();
  t.deepEqual(good.got, [1, 2]);
  t.deepEqual(hung.got, [1]);
  t.deepEqual(errors(of('error')).sort(), [
    'message n: rejected',
    'message n: rejected',
    'message n: thrown',
    'message n: thrown',
  ]);
  t.true(of('error').every(({ method }) => method === undefined));
});

for (const [overflow, expected] of [
  ['drop-oldest', [0, 3, 4]],
  ['drop-newest', [0, 1, 2]],
] as const) {
  test(`of more messages than maxQueue, ${overflow} says which are lost, and each is an event`, async (t) => {
    const { messages, record, settle, of } = open(t);
    const channel = defineChannel<number>('n');
    const gate = deferred();
    const { got } = await record(channel, () => gate.promise, { maxQueue: 2, overflow });
    for (const n of [0, 1, 2, 3, 4]) await messages.publish(channel, n);
    await settle();
    gate.resolve();
    await settle();
    t.deepEqual(got, [...expected]);
    t.deepEqual(
      of('messagesLost').map(({ channel, cause, count }) => [channel, cause, count]),
      [
        ['n', 'overflow', 1],
        ['n', 'overflow', 1],
      ],
    );
  });
}

test('each handler gets an object of its own', async (t) => {
  const { messages, record, settle } = open(t);
  const channel = defineChannel<{ list: number[] }>('n');
  const message = { list: [1] };
  const handlers = [await record(channel, ({ list }) => list.push(2)), await record(channel)];
  await messages.publish(channel, message);
  await settle();
  t.deepEqual(handlers[0]!.got, [{ list: [1, 2] }]);
  t.deepEqual(handlers[1]!.got, [{ list: [1] }]);
  t.deepEqual(message, { list: [1] });
});

test('a handler runs in no context: neither in that of its subscription nor in that of the publisher', async (t) => {
  const { messages, record, settle } = open(t);
  const channel = defineChannel<number>('n');
  const request = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  await request.run('subscriber', () => record(channel, () => void seen.push(request.getStore())));
  await request.run('publisher', () => withContext({ tenant: 'a' }, () => messages.publish(channel, 1)));
  await settle();
  t.deepEqual(seen, [undefined]);
});

test('unsubscribe waits for what was received, and receives nothing more', async (t) => {
  const { messages, record, settle } = open(t);
  const channel = defineChannel<number>('n');
  const gates = [deferred(), deferred()];
  const { got, subscription } = await record(channel, (n) => gates[n]!.promise);
  await messages.publish(channel, 0);
  await messages.publish(channel, 1);
  await settle();
  let ended = false;
  const end = subscription.unsubscribe().then(() => (ended = true));
  t.false(subscription.isReceiving);
  t.is(await messages.publish(channel, 2), 0);
  gates[0]!.resolve();
  await settle();
  t.deepEqual(got, [0, 1]);
  t.false(ended);
  gates[1]!.resolve();
  await end;
  await subscription.unsubscribe();
  t.deepEqual(got, [0, 1]);
});

test('close waits for handlers up to drainTimeout, aborts their signal, and says what was dropped', async (t) => {
  const { caching, clock, messages, record, settle, of } = open(t);
  const channel = defineChannel<number>('n');
  let signal: AbortSignal | undefined;
  const { got } = await record(
    channel,
    (_n, context) => {
      signal = context.signal;
      return new Promise(() => {});
    },
    { drainTimeout: '2s' },
  );
  for (const n of [0, 1, 2]) await messages.publish(channel, n);
  await settle();
  let closed = false;
  const closing = caching.close().then(() => (closed = true));
  await clock.advance(1_999);
  t.false(closed);
  t.false(signal!.aborted);
  await clock.advance(1);
  await closing;
  t.true(signal!.aborted);
  t.deepEqual(got, [0]);
  t.deepEqual(
    of('messagesLost').map(({ cause, count }) => [cause, count]),
    [['closed', 2]],
  );
  t.is(clock.timers, 0);
});

test('handlers that end within close() still have the cache', async (t) => {
  const { caching, messages, record, settle } = open(t, { defaults: { ttl: '1m' } });
  const channel = defineChannel<number>('n');
  const gate = deferred();
  const found: unknown[] = [];
  await caching.cache.set('k', 'kept');
  await record(channel, async () => {
    await gate.promise;
    found.push(await caching.cache.get('k'));
  });
  await messages.publish(channel, 1);
  await settle();
  const closing = caching.close();
  gate.resolve();
  await closing;
  t.deepEqual(found, ['kept']);
});

test('after close, a subscription is refused and publish fails', async (t) => {
  const { caching, messages, of } = open(t);
  await caching.close();
  const channel = defineChannel<number>('n');
  for (const source of [messages, pubsub(caching)]) {
    const { ready, isReceiving } = source.subscribe(channel, () => {});
    await t.throwsAsync(ready, { instanceOf: StoreUnavailableError });
    t.false(isReceiving);
    await t.throwsAsync(source.publish(channel, 1), { instanceOf: StoreUnavailableError });
  }
  t.is(of('error').length, 2);
});

test('a Caching that was closed before its messages were used refuses them', async (t) => {
  const caching = new Caching({ adapter: memory(), namespace: 'pubsub-closed', clock: fakeClock() });
  await caching.close();
  const { ready } = pubsub(caching).subscribe(defineChannel('n'), () => {});
  await t.throwsAsync(ready, { instanceOf: StoreUnavailableError });
});

test('ready() of all subscriptions rejects if one has ended, and pubsub(caching) is always the same', async (t) => {
  const { caching, messages } = open(t);
  t.is(pubsub(caching), messages);
  const subscription = messages.subscribe(defineChannel('n'), () => {});
  const all = messages.ready();
  await subscription.unsubscribe();
  await t.throwsAsync(all, { instanceOf: StoreUnavailableError, message: 'The subscription has ended.' });
  await messages.ready();
});

test('await using ends a subscription', async (t) => {
  const { messages } = open(t);
  const channel = defineChannel<number>('n');
  const subscription = messages.subscribe(channel, () => {});
  await subscription.ready;
  t.true(subscription.isReceiving);
  t.is(await messages.publish(channel, 1), 1);
  await subscription[Symbol.asyncDispose]();
  t.is(await messages.publish(channel, 1), 0);
});

test('a lost connection is said with its times to each handler that received before', async (t) => {
  const { caching, messages, record, settle, of } = open(t);
  const channel = defineChannel<number>('n');
  const listeners: MessageListener[] = [];
  const { backend } = caching;
  const original = backend.messages.subscribe.bind(backend.messages);
  backend.messages.subscribe = (subject, listener) => {
    listeners.push(listener);
    return original(subject, listener);
  };
  const interruptions: unknown[] = [];
  const first = await record(channel, () => {}, {
    onInterrupted: (interruption) => {
      interruptions.push(interruption);
      throw new Error('of onInterrupted');
    },
  });
  listeners[0]!.interrupted();
  t.false(first.subscription.isReceiving);
  // It has missed nothing: it comes after the loss.
  const late = messages.subscribe(channel, () => {}, { onInterrupted: () => t.fail() });
  t.false(late.isReceiving);
  listeners[0]!.resumed({ from: 1_000, to: 2_000 });
  await settle();
  t.true(first.subscription.isReceiving && late.isReceiving);
  t.deepEqual(interruptions, [{ from: new Date(1_000), to: new Date(2_000) }]);
  t.deepEqual(
    of('messagesLost').map(({ channel, cause, count, from, to }) => [channel, cause, count, from, to]),
    [['n', 'interrupted', undefined, new Date(1_000), new Date(2_000)]],
  );
  t.deepEqual(errors(of('error')), ['interrupted n: of onInterrupted']);
  t.is(listeners.length, 1);
});

test('a disabled Caching publishes and receives nothing', async (t) => {
  const { messages, record, settle } = open(t, { enabled: false });
  const channel = defineChannel('n', { schema: z.number() });
  const { got, subscription } = await record(channel);
  t.is(await messages.publish(channel, 1), 0);
  await settle();
  t.deepEqual(got, []);
  await t.throwsAsync(messages.publish(channel, 'no' as never), { instanceOf: ValueError });
  await subscription.unsubscribe();
});

test('mistakes are named, with what to do', (t) => {
  const { messages } = open(t);
  const message = (call: () => unknown): string => t.throws(call, { instanceOf: OptionsError })!.message;
  t.regex(
    message(() => defineChannel('')),
    /^name of defineChannel is a template such as/,
  );
  t.regex(
    message(() => defineChannel('orders:*')),
    /'orders:\*' has a '\*'.*definePattern/,
  );
  t.regex(
    message(() => defineChannel('orders:{id}')),
    /does not begin with a position/,
  );
  t.regex(
    message(() => defineChannel('orders:{0}', { sharded: true })),
    /none for sharded channels/,
  );
  t.regex(
    message(() => defineChannel('a', { shared: true } as never)),
    /has no option 'shared'/,
  );
  t.regex(
    message(() => defineChannel('a', { maxBytes: 0 })),
    /maxBytes of defineChannel/,
  );
  t.regex(
    message(() => definePattern('orders')),
    /^definePattern takes a pattern with '\*'/,
  );
  t.regex(
    message(() => definePattern('{0}:*')),
    /without placeholders/,
  );
  t.regex(
    message(() => definePattern(`${'x'.repeat(256)}*`)),
    /at most 256/,
  );
  t.regex(
    message(() => pubsub({} as never)),
    /^pubsub takes a Caching, and a plain object/,
  );
  t.regex(
    message(() => messages.subscribe('n' as never, () => {})),
    /^subscribe takes a channel, such as defineChannel.*'n' was given/,
  );
  t.regex(
    message(() => messages.subscribe(defineChannel('n'), 5 as never)),
    /takes a function/,
  );
  t.regex(
    message(() => messages.subscribe(defineChannel('n'), () => {}, { concurrency: 0 })),
    /^concurrency of subscribe/,
  );
});

test('publish to a pattern is refused', async (t) => {
  const { messages } = open(t);
  await t.throwsAsync(messages.publish(definePattern('a:*') as never, 1 as never), {
    instanceOf: OptionsError,
    message: /^publish takes a channel, and the pattern 'a:\*' was given/,
  });
});

test('a Caching on an adapter without messages says so', (t) => {
  const inner = memory();
  const adapter = { name: 'old', open: (host: never) => ({ ...inner.open(host), messages: undefined }) };
  const caching = new Caching({ adapter: adapter as never, clock: fakeClock() });
  t.throws(() => pubsub(caching), { instanceOf: OptionsError, message: /whose adapter has messages/ });
});
