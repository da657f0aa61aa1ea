import { Writable } from 'node:stream';
import test from 'ava';
import { CallList, type Listed } from '../../src/adapters/ioredis/call-list.js';
import type { Stream } from '../../src/adapters/ioredis/client.js';
import { TickCork } from '../../src/adapters/ioredis/tick-cork.js';

/** A stream that keeps what leaves it at a time. */
function stream(): { readonly stream: Writable & Stream; readonly packets: string[] } {
  const packets: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      packets.push(chunk);
      done();
    },
    writev(chunks, done) {
      packets.push(chunks.map(({ chunk }) => chunk as string).join(''));
      done();
    },
  });
  return { stream: Object.assign(stream, { bytesRead: 0 }), packets };
}

test('what is written in one tick leaves in one packet, at its end', async (t) => {
  const { stream: only, packets } = stream();
  const cork = new TickCork(() => [only]);
  for (const command of ['a', 'b', 'c']) {
    cork.gather();
    only.write(command);
  }
  t.deepEqual(packets, []);
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual(packets, ['abc']);

  cork.gather();
  only.write('d');
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual(packets, ['abc', 'd']);
});

test('when there is enough a packet leaves before the tick has ended', async (t) => {
  const { stream: only, packets } = stream();
  const cork = new TickCork(() => [only]);
  const command = 'x'.repeat(600);
  for (let i = 0; i < 6; i++) {
    cork.gather();
    only.write(command);
  }
  t.deepEqual(
    packets.map(({ length }) => length),
    [2_400],
  );
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual(
    packets.map(({ length }) => length),
    [2_400, 1_200],
  );
});

test('every connection of a Cluster is let go, also one that has ended meanwhile', async (t) => {
  const one = stream();
  const other = stream();
  const cork = new TickCork(() => [one.stream, other.stream]);
  cork.gather();
  one.stream.write('a');
  other.stream.write('b');
  other.stream.end();
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual([one.packets, other.packets], [['a'], ['b']]);
  t.is(one.stream.writableCorked, 0);
});

interface Item extends Listed<Item> {
  readonly name: string;
}

test('calls stand in the order they came, and each is taken out once, wherever it stands', (t) => {
  const list = new CallList<Item>();
  const [a, b, c, d] = [...'abcd'].map((name): Item => {
    const item: Item = { name, isListed: false, before: undefined, after: undefined };
    list.add(item);
    return item;
  }) as [Item, Item, Item, Item];
  const names = (): string =>
    list
      .all()
      .map(({ name }) => name)
      .join('');
  t.is(names(), 'abcd');
  t.true(list.delete(b));
  t.false(list.delete(b));
  t.is(names(), 'acd');
  t.true(list.delete(a));
  t.is(list.oldest, c);
  t.true(list.delete(d));
  list.add(a);
  t.is(names(), 'ca');
  t.true(list.delete(c) && list.delete(a));
  t.is(list.oldest, undefined);
  t.is(names(), '');
  // Otherwise one that has grown old would keep all that came after it.
  t.true([a, b, c, d].every(({ before, after }) => before === undefined && after === undefined));
});
