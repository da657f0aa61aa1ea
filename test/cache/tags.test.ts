import { Buffer } from 'node:buffer';
import test from 'ava';
import fc from 'fast-check';
import {
  tagBucket,
  TAG_CHANGE_BUCKETS,
  TAG_CHANGE_BYTES,
  TAG_CHANGES_IDENTITY,
  TAG_CHANGES_LENGTH,
  unchangedBuckets,
} from '../../src/core/ports/tag-changes.js';
import { zipTagVersions } from '../../src/core/cache/tags.js';

function tagChanges(identity = 1): Buffer {
  const bytes = Buffer.alloc(TAG_CHANGES_LENGTH);
  bytes.fill(identity, 0, TAG_CHANGES_IDENTITY);
  return bytes;
}

function mark(bytes: Buffer, tag: string): Buffer {
  const marked = Buffer.from(bytes);
  const last = TAG_CHANGES_IDENTITY + tagBucket(tag) * TAG_CHANGE_BYTES + TAG_CHANGE_BYTES - 1;
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
  for (const [tag, bucket] of buckets) t.is(tagBucket(tag), bucket, tag);
});

test('Property: every tag has one of the buckets', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (tag) => {
      const bucket = tagBucket(tag);
      return Number.isInteger(bucket) && bucket >= 0 && bucket < TAG_CHANGE_BUCKETS;
    }),
  );
  t.pass();
});

test('tags spread over the buckets', (t) => {
  const counts = new Map<number, number>();
  for (let i = 0; i < 25_600; i++)
    counts.set(tagBucket(`org:${i}`), (counts.get(tagBucket(`org:${i}`)) ?? 0) + 1);
  t.is(counts.size, TAG_CHANGE_BUCKETS);
  t.true(Math.max(...counts.values()) < 300);
});

test('tag changes are the same while nothing is marked', (t) => {
  t.true(unchangedBuckets(tagChanges(), tagChanges(), ['a', 'b']));
  t.true(unchangedBuckets(tagChanges(), tagChanges(), []));
});

test('tag changes are not the same for a tag whose bucket was marked, in its first byte or its last', (t) => {
  t.false(unchangedBuckets(tagChanges(), mark(tagChanges(), 'a'), ['a']));
  t.false(unchangedBuckets(tagChanges(), mark(tagChanges(), 'a'), ['b', 'a']));
  const first = tagChanges();
  first[TAG_CHANGES_IDENTITY + tagBucket('a') * TAG_CHANGE_BYTES]! ^= 1;
  t.false(unchangedBuckets(tagChanges(), first, ['a']));
});

test('tag changes are the same for tags of other buckets than the marked one', (t) => {
  t.not(tagBucket('a'), tagBucket('b'));
  t.true(unchangedBuckets(tagChanges(), mark(tagChanges(), 'a'), ['b']));
});

test('tag changes of another identity are never the same, whatever their buckets', (t) => {
  t.false(unchangedBuckets(tagChanges(1), tagChanges(2), ['a']));
  t.false(unchangedBuckets(tagChanges(1), tagChanges(2), []));
});

test('tag changes that are absent, or of another length, are never the same', (t) => {
  t.false(unchangedBuckets(Buffer.alloc(0), tagChanges(), ['a']));
  t.false(unchangedBuckets(tagChanges(), Buffer.alloc(0), ['a']));
  t.false(unchangedBuckets(Buffer.alloc(0), Buffer.alloc(0), ['a']));
  t.false(unchangedBuckets(tagChanges().subarray(1), tagChanges().subarray(1), ['a']));
});

test('tags are paired with the nonces read for them', (t) => {
  t.deepEqual(zipTagVersions(['a', 'b'], ['clear', 'n1', 'n2'], 1), [
    { tag: 'a', nonce: 'n1' },
    { tag: 'b', nonce: 'n2' },
  ]);
  t.deepEqual(zipTagVersions([], ['clear'], 1), []);
});

test('without one of the nonces nothing can be paired', (t) => {
  t.is(zipTagVersions(['a', 'b'], ['n1', null]), undefined);
  t.is(zipTagVersions(['a', 'b'], ['n1']), undefined);
});
