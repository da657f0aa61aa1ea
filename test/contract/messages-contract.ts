import type { ExecutionContext, TestFn } from 'ava';
import type {
  MessageBus,
  MessageGap,
  MessageListener,
  MessageSubject,
} from '../../src/core/ports/message-bus.js';
import { eventually } from '../support/eventually.js';

export interface MessagesWorld {
  /** The buses of several `Caching` with one namespace. */
  readonly buses: readonly MessageBus[];
  /** A bus of another namespace on the same store. */
  readonly other: MessageBus;
  close(): Promise<void>;
}

interface Recording {
  readonly messages: readonly string[];
  readonly notices: readonly string[];
  readonly gaps: readonly (MessageGap | undefined)[];
  stop(): void;
}

/** Subscribes, and resolves when messages are received. */
async function record(bus: MessageBus, subject: MessageSubject): Promise<Recording> {
  const messages: string[] = [];
  const notices: string[] = [];
  const gaps: (MessageGap | undefined)[] = [];
  const listener: MessageListener = {
    message: (channel, payload) =>
      void messages.push(`${channel} ${Buffer.from(payload).toString('latin1')}`),
    resumed: (gap) => {
      notices.push('resumed');
      gaps.push(gap);
    },
    interrupted: () => void notices.push('interrupted'),
    refused: (error) => void notices.push(`refused: ${error.message}`),
  };
  const stop = bus.subscribe(subject, listener);
  await eventually(`messages of ${subject.name} are received`, () => notices.length > 0);
  return { messages, notices, gaps, stop };
}

const channel = (name: string): MessageSubject => ({ kind: 'channel', name });
const pattern = (name: string): MessageSubject => ({ kind: 'pattern', name });
const sharded = (name: string): MessageSubject => ({ kind: 'sharded', name });
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

/**
 * What every message bus does.
 *
 * @param open opens a world with `count` buses; the contract closes it
 * @param countsReceivers false: `publish` to a channel that is not sharded returns undefined
 */
export function messagesContract(
  test: TestFn,
  kind: string,
  open: (t: ExecutionContext, count: number) => Promise<MessagesWorld>,
  { countsReceivers }: { readonly countsReceivers: boolean },
): void {
  const world = async (t: ExecutionContext, count: number): Promise<MessagesWorld> => {
    const opened = await open(t, count);
    t.teardown(() => opened.close());
    return opened;
  };

  test(`${kind}, messages: every subscriber of a channel gets its bytes, in the order of the publisher`, async (t) => {
    const { buses } = await world(t, 3);
    const [publisher, ...others] = buses as [MessageBus, MessageBus, MessageBus];
    const recordings = await Promise.all([publisher, ...others].map((bus) => record(bus, channel('a'))));
    const sent = [...numbers(50), '\u0000\u00ff{'];
    await Promise.all(sent.map((text) => publisher.publish(channel('a'), bytes(text))));
    for (const { messages } of recordings) {
      await eventually('all messages', () => messages.length === sent.length);
      t.deepEqual(
        messages,
        sent.map((text) => `a ${text}`),
      );
    }
  });

  test(`${kind}, messages: a channel gets none of another channel, kind or namespace`, async (t) => {
    const { buses, other } = await world(t, 1);
    const [bus] = buses as [MessageBus];
    const [own, foreign, shard] = await Promise.all([
      record(bus, channel('a')),
      record(other, channel('a')),
      record(bus, sharded('a')),
    ]);
    await bus.publish(channel('b'), bytes('other channel'));
    await bus.publish(sharded('a'), bytes('shard'));
    await bus.publish(channel('a'), bytes('own'));
    await other.publish(channel('a'), bytes('foreign'));
    await eventually('a message for each', () =>
      [own, foreign, shard].every(({ messages }) => messages.length > 0),
    );
    t.deepEqual(own.messages, ['a own']);
    t.deepEqual(foreign.messages, ['a foreign']);
    t.deepEqual(shard.messages, ['a shard']);
  });

  test(`${kind}, messages: a pattern gets the messages of all channels that match, with their names`, async (t) => {
    const { buses } = await world(t, 2);
    const [bus, publisher] = buses as [MessageBus, MessageBus];
    const [all, ends, exact] = await Promise.all([
      record(bus, pattern('orders:*')),
      record(bus, pattern('*:placed')),
      record(bus, channel('orders:eu:placed')),
    ]);
    await publisher.publish(channel('orders'), bytes('no'));
    await publisher.publish(sharded('orders:eu'), bytes('no'));
    await publisher.publish(channel('orders:eu'), bytes('1'));
    const received = await publisher.publish(channel('orders:eu:placed'), bytes('2'));
    await publisher.publish(channel('orders:'), bytes('3'));
    await eventually('the last message', () => all.messages.length >= 3);
    await eventually('the other ones', () => ends.messages.length + exact.messages.length >= 2);
    t.deepEqual([...all.messages].sort(), ['orders: 3', 'orders:eu 1', 'orders:eu:placed 2']);
    t.deepEqual(ends.messages, ['orders:eu:placed 2']);
    t.deepEqual(exact.messages, ['orders:eu:placed 2']);
    t.is(received, countsReceivers ? 3 : undefined);
  });

  test(`${kind}, messages: what ended gets nothing more, and can begin again`, async (t) => {
    const { buses } = await world(t, 1);
    const [bus] = buses as [MessageBus];
    const [first, witness] = await Promise.all([record(bus, channel('a')), record(bus, channel('b'))]);
    first.stop();
    await bus.publish(channel('a'), bytes('1'));
    await bus.publish(channel('b'), bytes('1'));
    await eventually('the witness', () => witness.messages.length === 1);
    t.deepEqual(first.messages, []);
    const again = await record(bus, channel('a'));
    await bus.publish(channel('a'), bytes('2'));
    await eventually('the message', () => again.messages.length === 1);
    t.deepEqual(again.messages, ['a 2']);
    t.deepEqual(again.gaps, [undefined]);
    // After the last one has ended, too.
    again.stop();
    witness.stop();
    const last = await record(bus, sharded('a'));
    await bus.publish(sharded('a'), bytes('3'));
    await eventually('the message', () => last.messages.length === 1);
    last.stop();
    t.deepEqual(last.notices, ['resumed']);
  });

  test(`${kind}, messages: sharded channels get their messages, and their receivers are known`, async (t) => {
    const { buses } = await world(t, 2);
    const [bus, publisher] = buses as [MessageBus, MessageBus];
    const names = numbers(12).map((i) => `shard-${i}`);
    const recordings = await Promise.all(names.map((name) => record(bus, sharded(name))));
    const counts = await Promise.all(names.map((name) => publisher.publish(sharded(name), bytes(name))));
    for (const [i, { messages }] of recordings.entries()) {
      await eventually('the message', () => messages.length > 0);
      t.deepEqual(messages, [`${names[i]} ${names[i]}`]);
    }
    t.deepEqual(
      counts,
      names.map(() => 1),
    );
    t.is(await publisher.publish(sharded('nobody'), bytes('')), 0);
  });

  test(`${kind}, messages: a closed bus publishes and subscribes nothing, and a closed subscriber gets nothing`, async (t) => {
    const opened = await world(t, 1);
    const [bus] = opened.buses as [MessageBus];
    const { messages } = await record(bus, channel('a'));
    await opened.close();
    await t.throwsAsync(bus.publish(channel('a'), bytes('1')), { code: 'E_STORE_UNAVAILABLE' });
    t.throws(() => bus.subscribe(channel('b'), SILENT), { code: 'E_STORE_UNAVAILABLE' });
    t.deepEqual(messages, []);
  });
}

const SILENT: MessageListener = { message() {}, resumed() {}, interrupted() {}, refused() {} };
