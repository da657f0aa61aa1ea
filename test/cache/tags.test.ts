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
test('the bucket of a tag never changes between versions', (t) => {
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

test('Property: every tag has a bucket within range', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (tag) => {
      const bucket = tagBucket(tag);
      return Number.isInteger(bucket) && bucket >= 0 && bucket < TAG_CHANGE_BUCKETS;
    }),
  );
  t.pass();
});

test('tags are spread over all buckets', (t) => {
  const counts = new Map<number, number>();
  for (let i = 0; i < 25_600; i++)
    counts.set(tagBucket(`org:${i}`), (counts.get(tagBucket(`org:${i}`)) ?? 0) + 1);
  t.is(counts.size, TAG_CHANGE_BUCKETS);
  t.true(Math.max(...counts.values()) < 300);
});

test('unchangedBuckets is true while nothing is marked', (t) => {
  t.true(unchangedBuckets(tagChanges(), tagChanges(), ['a', 'b']));
  t.true(unchangedBuckets(tagChanges(), tagChanges(), []));
});

test('unchangedBuckets is false for a tag whose bucket was marked, in its first or its last byte', (t) => {
  t.false(unchangedBuckets(tagChanges(), mark(tagChanges(), 'a'), ['a']));
  t.false(unchangedBuckets(tagChanges(), mark(tagChanges(), 'a'), ['b', 'a']));
  const first = tagChanges();
  first[TAG_CHANGES_IDENTITY + tagBucket('a') * TAG_CHANGE_BYTES]! ^= 1;
  t.false(unchangedBuckets(tagChanges(), first, ['a']));
});

test('unchangedBuckets is true for tags of other buckets', (t) => {
  t.not(tagBucket('a'), tagBucket('b'));
  t.true(unchangedBuckets(tagChanges(), mark(tagChanges(), 'a'), ['b']));
});

test('unchangedBuckets is false for records of another identity', (t) => {
  t.false(unchangedBuckets(tagChanges(1), tagChanges(2), ['a']));
  t.false(unchangedBuckets(tagChanges(1), tagChanges(2), []));
});

test('unchangedBuckets is false for records that are absent or have another length', (t) => {
  t.false(unchangedBuckets(Buffer.alloc(0), tagChanges(), ['a']));
  t.false(unchangedBuckets(tagChanges(), Buffer.alloc(0), ['a']));
  t.false(unchangedBuckets(Buffer.alloc(0), Buffer.alloc(0), ['a']));
  t.false(unchangedBuckets(tagChanges().subarray(1), tagChanges().subarray(1), ['a']));
});

test('zipTagVersions pairs tags with their nonces', (t) => {
  t.deepEqual(zipTagVersions(['a', 'b'], ['clear', 'n1', 'n2'], 1), [
    { tag: 'a', nonce: 'n1' },
    { tag: 'b', nonce: 'n2' },
  ]);
  t.deepEqual(zipTagVersions([], ['clear'], 1), []);
});

test('zipTagVersions is undefined if a nonce is missing', (t) => {
  t.is(zipTagVersions(['a', 'b'], ['n1', null]), undefined);
  t.is(zipTagVersions(['a', 'b'], ['n1']), undefined);
});
