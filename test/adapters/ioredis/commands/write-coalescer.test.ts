import { Writable } from 'node:stream';
import test from 'ava';
import type { Stream } from '../../../../src/adapters/ioredis/connection/client-types.js';
import { WriteCoalescer } from '../../../../src/adapters/ioredis/commands/write-coalescer.js';

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

test('the commands of one tick leave in one packet, at its end', async (t) => {
  const { stream: only, packets } = stream();
  const cork = new WriteCoalescer(() => [only]);
  for (const command of ['a', 'b', 'c']) {
    cork.cork();
    only.write(command);
  }
  t.deepEqual(packets, []);
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual(packets, ['abc']);

  cork.cork();
  only.write('d');
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual(packets, ['abc', 'd']);
});

test('a full packet leaves before the end of the tick', async (t) => {
  const { stream: only, packets } = stream();
  const cork = new WriteCoalescer(() => [only]);
  const command = 'x'.repeat(600);
  for (let i = 0; i < 6; i++) {
    cork.cork();
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

test('every connection of a Cluster is uncorked, also one that ended during the tick', async (t) => {
  const one = stream();
  const other = stream();
  const cork = new WriteCoalescer(() => [one.stream, other.stream]);
  cork.cork();
  one.stream.write('a');
  other.stream.write('b');
  other.stream.end();
  await new Promise((resolve) => process.nextTick(resolve));
  t.deepEqual([one.packets, other.packets], [['a'], ['b']]);
  t.is(one.stream.writableCorked, 0);
});
