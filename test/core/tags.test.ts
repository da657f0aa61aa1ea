import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import {
  bucketOf,
  EPOCH_BUCKETS,
  EPOCH_BYTES,
  EPOCHS_IDENTITY,
  EPOCHS_LENGTH,
  pair,
  sameEpochs,
} from '../../src/core/tags.js';

function epochs(identity = 1): Buffer {
  const bytes = Buffer.alloc(EPOCHS_LENGTH);
  bytes.fill(identity, 0, EPOCHS_IDENTITY);
  return bytes;
}

function mark(bytes: Buffer, tag: string): Buffer {
  const marked = Buffer.from(bytes);
  const last = EPOCHS_IDENTITY + bucketOf(tag) * EPOCH_BYTES + EPOCH_BYTES - 1;
  marked[last]! ^= 1;
  return marked;
}

// These are part of the wire: processes of every release that share a store must agree on them.
test('a tag has the bucket that it always had', (t) => {
  const buckets: readonly (readonly [tag: string, bucket: number])[] = [
    ['', 197],
    ['a', 237],
    ['users', 244],
    ['org:1', 148],
    ['org:2', 126],
    ['tenant:42:orders', 80],
    ['\u00e9', 79],
    ['\u65e5\u672c', 185],
    ['\ud800', 79],
    ['__proto__', 34],
    ['x'.repeat(256), 166],
  ];
  for (const [tag, bucket] of buckets) t.is(bucketOf(tag), bucket, tag);
});

test('Property: every tag has one of the buckets', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (tag) => {
      const bucket = bucketOf(tag);
      return Number.isInteger(bucket) && bucket >= 0 && bucket < EPOCH_BUCKETS;
    }),
  );
  t.pass();
});

test('tags spread over the buckets', (t) => {
  const counts = new Map<number, number>();
  for (let i = 0; i < 25_600; i++)
    counts.set(bucketOf(`org:${i}`), (counts.get(bucketOf(`org:${i}`)) ?? 0) + 1);
  t.is(counts.size, EPOCH_BUCKETS);
  t.true(Math.max(...counts.values()) < 300);
});

test('epochs are the same while nothing is marked', (t) => {
  t.true(sameEpochs(epochs(), epochs(), ['a', 'b']));
  t.true(sameEpochs(epochs(), epochs(), []));
});

test('epochs are not the same for a tag whose bucket was marked, in its first byte or its last', (t) => {
  t.false(sameEpochs(epochs(), mark(epochs(), 'a'), ['a']));
  t.false(sameEpochs(epochs(), mark(epochs(), 'a'), ['b', 'a']));
  const first = epochs();
  first[EPOCHS_IDENTITY + bucketOf('a') * EPOCH_BYTES]! ^= 1;
  t.false(sameEpochs(epochs(), first, ['a']));
});

test('epochs are the same for tags of other buckets than the marked one', (t) => {
  t.not(bucketOf('a'), bucketOf('b'));
  t.true(sameEpochs(epochs(), mark(epochs(), 'a'), ['b']));
});

test('epochs of another identity are never the same, whatever their buckets', (t) => {
  t.false(sameEpochs(epochs(1), epochs(2), ['a']));
  t.false(sameEpochs(epochs(1), epochs(2), []));
});

test('epochs that are absent, or of another length, are never the same', (t) => {
  t.false(sameEpochs(Buffer.alloc(0), epochs(), ['a']));
  t.false(sameEpochs(epochs(), Buffer.alloc(0), ['a']));
  t.false(sameEpochs(Buffer.alloc(0), Buffer.alloc(0), ['a']));
  t.false(sameEpochs(epochs().subarray(1), epochs().subarray(1), ['a']));
});

test('tags are paired with the nonces read for them', (t) => {
  t.deepEqual(pair(['a', 'b'], ['clear', 'n1', 'n2'], 1), [
    { tag: 'a', nonce: 'n1' },
    { tag: 'b', nonce: 'n2' },
  ]);
  t.deepEqual(pair([], ['clear'], 1), []);
});

test('without one of the nonces nothing can be paired', (t) => {
  t.is(pair(['a', 'b'], ['n1', null]), undefined);
  t.is(pair(['a', 'b'], ['n1']), undefined);
});
