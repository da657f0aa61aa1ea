import test, { type ExecutionContext } from 'ava';
import { memory } from '../../src/adapters/memory/index.js';
import { bindCaching, Caching, DecorationError, Locked, OptionsError } from '../../src/index.js';
import {
  bindSubscribers,
  defineChannel,
  definePattern,
  pubsub,
  Subscribes,
  type Interruption,
  type MessageContext,
} from '../../src/pubsub/index.js';
import type { MessageListener } from '../../src/core/ports/message-bus.js';
import { fakeClock } from '../../src/testing/index.js';
import { recordEvents } from '../../src/testing/record-events.js';

const number = defineChannel<number>('number');
const other = defineChannel<number>('other');
const anything = definePattern<unknown>('*');

let opened = 0;

function open(t: ExecutionContext, enabled = true) {
  const namespace = `subscribes-${++opened}`;
  const clock = fakeClock();
  const caching = new Caching({ adapter: memory(), namespace, clock, enabled, defaults: { ttl: '1m' } });
  const { of, stop } = recordEvents(namespace);
  t.teardown(async () => {
    await caching.close();
    stop();
  });
  return { caching, clock, of, messages: pubsub(caching), settle: () => clock.advance(0) };
}

class Listener {
  readonly got: unknown[] = [];
  readonly interruptions: Interruption[] = [];

  @Subscribes(number, {
    onInterrupted(interruption) {
      this.interruptions.push(interruption);
    },
  })
  async onNumber(n: number, { channel }: MessageContext): Promise<void> {
    this.got.push([channel, n]);
    if (n < 0) throw new Error('negative');
  }

  @Subscribes(anything)
  onAnything(message: unknown): void {
    this.got.push(message);
  }
}

test('the methods of an instance get their messages, with the instance as this', async (t) => {
  const { caching, messages, settle } = open(t);
  const listener = new Listener();
  const subscribers = bindSubscribers(caching, listener);
  await subscribers.ready;
  await messages.publish(number, 1);
  await messages.publish(other, 2);
  await settle();
  t.deepEqual(listener.got, [['number', 1], 1, 2]);
  await subscribers.unsubscribe();
  t.is(await messages.publish(number, 3), 0);
});

test('what a method throws is an event with its name, and does not stop it or another one', async (t) => {
  const { caching, messages, settle, of } = open(t);
  const listener = new Listener();
  await bindSubscribers(caching, listener).ready;
  await messages.publish(number, -1);
  await messages.publish(number, 2);
  await settle();
  t.deepEqual(listener.got, [['number', -1], -1, ['number', 2], 2]);
  t.deepEqual(
    of('error').map(({ operation, key, method, error }) => [
      operation,
      key,
      method,
      (error as Error).message,
    ]),
    [['message', 'number', 'Listener.onNumber', 'negative']],
  );
});

test('an instance is subscribed once for a Caching, and again after its end', async (t) => {
  const { caching, messages, settle } = open(t);
  const listener = new Listener();
  const subscribers = bindSubscribers(caching, listener);
  t.is(bindSubscribers(caching, listener), subscribers);
  await messages.ready();
  await messages.publish(number, 1);
  await settle();
  t.is(listener.got.length, 2);
  await subscribers[Symbol.asyncDispose]();
  t.not(bindSubscribers(caching, listener), subscribers);
  await messages.ready();
  await messages.publish(number, 2);
  await settle();
  t.is(listener.got.length, 4);
});

test('two instances both get the messages', async (t) => {
  const { caching, messages, settle } = open(t);
  const [one, two] = [new Listener(), new Listener()];
  bindSubscribers(caching, one);
  bindSubscribers(caching, two);
  await messages.ready();
  await messages.publish(number, 1);
  await settle();
  t.deepEqual(one.got, [['number', 1], 1]);
  t.deepEqual(two.got, one.got);
});

test('subclasses inherit subscriptions, overrides get the messages, and another channel is added', async (t) => {
  class Override extends Listener {
    override async onNumber(n: number): Promise<void> {
      this.got.push(`override ${n}`);
    }

    @Subscribes(other)
    @Subscribes(anything, { concurrency: 2 })
    override onAnything(message: unknown): void {
      this.got.push(`any ${String(message)}`);
    }
  }
  const { caching, messages, settle } = open(t);
  const listener = new Override();
  bindSubscribers(caching, listener);
  await messages.ready();
  await messages.publish(number, 1);
  await settle();
  t.deepEqual([...listener.got].sort(), ['any 1', 'override 1']);
  await messages.publish(other, 2);
  await settle();
  t.deepEqual([...listener.got].sort(), ['any 1', 'any 2', 'any 2', 'override 1']);
});

test('the other decorators of the method apply, those above @Subscribes too', async (t) => {
  const { caching, messages, settle, of } = open(t);
  class Service {
    readonly got: number[] = [];

    @Locked({ key: 'n:{0}', cache: () => caching })
    @Subscribes(number)
    async above(n: number, _context: MessageContext): Promise<void> {
      this.got.push(n);
    }

    @Subscribes(number)
    @Locked({ key: 'm:{0}', cache: () => caching })
    async below(n: number, _context: MessageContext): Promise<void> {
      this.got.push(n);
    }
  }
  const service = new Service();
  await bindSubscribers(caching, service).ready;
  await messages.publish(number, 1);
  await settle();
  t.deepEqual(service.got, [1, 1]);
  t.deepEqual(
    of('lock')
      .map(({ keys }) => keys[0])
      .sort(),
    ['m:1', 'n:1'],
  );
});

test('bindCaching subscribes the first instance of a class, and warns of a second one', async (t) => {
  const { caching, messages, settle } = open(t);
  class Service extends Listener {}
  const [first, second] = [new Service(), new Service()];
  const warnings: string[] = [];
  const onWarning = (warning: Error & { code?: string }): void => {
    if (warning.code === 'CACHEMENT_SECOND_SUBSCRIBER') warnings.push(warning.message);
  };
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  bindCaching(first, caching);
  bindCaching(first, caching);
  bindCaching(second, caching);
  await messages.ready();
  await messages.publish(number, 1);
  await settle();
  t.is(first.got.length, 2);
  t.deepEqual(second.got, []);
  t.is(warnings.length, 1);
  t.regex(warnings[0]!, /second Service.*singleton.*bindSubscribers/);
});

test('onInterrupted is called on the instance', async (t) => {
  const { caching, messages } = open(t);
  const listeners: MessageListener[] = [];
  const { backend } = caching;
  const original = backend.messages.subscribe.bind(backend.messages);
  backend.messages.subscribe = (subject, listener) => {
    if (subject.kind === 'channel') listeners.push(listener);
    return original(subject, listener);
  };
  const listener = new Listener();
  bindSubscribers(caching, listener);
  await messages.ready();
  listeners[0]!.interrupted();
  listeners[0]!.resumed({ from: 1, to: 2 });
  t.deepEqual(listener.interruptions, [{ from: new Date(1), to: new Date(2) }]);
});

test('mistakes are named, with what to do', (t) => {
  const { caching } = open(t);
  const decorate = (decorator: unknown, ...args: unknown[]): unknown =>
    (decorator as (...args: unknown[]) => unknown)(...args);
  const value = (): void => {};
  const wrong = t.throws(() => decorate(Subscribes('n' as never), {}, 'on', { value }), {
    instanceOf: OptionsError,
  });
  t.regex(wrong!.message, /^@Subscribes on on takes a channel, such as defineChannel/);
  const unknown = t.throws(() => decorate(Subscribes(number, { queue: 1 } as never), {}, 'on', { value }));
  t.regex(unknown!.message, /^@Subscribes on on has no option 'queue'/);
  const context = { kind: 'method', name: 'on', static: false, private: false, addInitializer() {} };
  const refused: readonly (readonly [unknown[], RegExp])[] = [
    [[class {}], /on a class is on no method/],
    [[{}, 'on', undefined], /on no method/],
    [[class {}, 'on', { value }], /on a static method/],
    [[value, { ...context, static: true }], /on a static method/],
    [[value, { ...context, private: true }], /on a private method/],
    [[undefined, { ...context, kind: 'field' }], /on no method/],
  ];
  for (const [args, message] of refused)
    t.throws(() => decorate(Subscribes(number), ...args), { instanceOf: DecorationError, message });
  t.throws(() => bindSubscribers({} as never, new Listener()), {
    instanceOf: OptionsError,
    message: /takes a Caching/,
  });
  for (const instance of [{}, null, Listener])
    t.throws(() => bindSubscribers(caching, instance as never), { message: /a method that has @Subscribes/ });
});
