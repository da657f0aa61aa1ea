import { Buffer } from 'node:buffer';
import test from 'ava';
import { ValueError } from '../../src/core/shared/errors.js';
import { MAX_DEPTH, MAX_SPARSE_LENGTH } from '../../src/core/values/value-limits.js';
import { decodeValue, encodeValue, RICH_CODEC } from '../../src/core/values/value-codec.js';
import { sameValue } from '../support/same-value.js';
import { LIMITS, DEEPEST, roundTrip, refuses, nested } from './codec-rig.js';

test('a value at the maximum depth is encoded, a deeper one is refused', (t) => {
  for (const innermost of ['x', new Date(0)]) {
    const { codec, payload } = encodeValue(nested(100, innermost), LIMITS);
    t.true(sameValue(decodeValue(codec, payload)?.value, nested(100, innermost)));
    refuses(t, nested(101, innermost), {
      path: '[0]'.repeat(100),
      found: /depth of 100/,
      reason: 'too-deep',
    });
  }
  refuses(t, nested(100, new Map()), { path: '[0]'.repeat(100), found: /depth of 100/, reason: 'too-deep' });
  refuses(t, nested(100, new Set()), { path: '[0]'.repeat(100), found: /depth of 100/, reason: 'too-deep' });
  refuses(t, nested(100, {}), { path: '[0]'.repeat(100), found: /depth of 100/, reason: 'too-deep' });
});

test('nothing is encoded that is too deep to decode', (t) => {
  for (const innermost of ['x', undefined, Buffer.from('x')]) {
    const { codec, payload } = encodeValue(nested(MAX_DEPTH, innermost), DEEPEST);
    t.true(sameValue(decodeValue(codec, payload)?.value, nested(MAX_DEPTH, innermost)));
    const beyond = { ...LIMITS, maxDepth: 1_000_000 };
    const error = t.throws(() => encodeValue(nested(200_000, innermost), beyond), { instanceOf: ValueError });
    t.is(error.reason, 'too-deep');
  }
});

test('a value is refused from the first byte over the limit, for every kind of value', (t) => {
  const values = [
    'abc',
    'ü',
    '\u0000',
    [1, 2],
    { a: 'ü' },
    [{ a: 1, b: true }, { c: '' }],
    new Map([[1, 'ü']]),
    12n,
    Buffer.alloc(9),
    new Uint8Array(9),
  ];
  for (const value of values) {
    const { payload } = encodeValue(value, LIMITS);
    t.notThrows(() => encodeValue(value, { ...LIMITS, maxBytes: payload.length }));
    const limits = { ...LIMITS, maxBytes: payload.length - 1 };
    const error = t.throws(() => encodeValue(value, limits), { instanceOf: ValueError });
    t.is(error.reason, 'too-large');
    t.regex(error.message, new RegExp(`${payload.length - 1} bytes`));
  }
});

test('a value that is far too large is refused without a full walk', (t) => {
  const text = 'x'.repeat(64 * 1024 * 1024);
  const unread = {
    get part(): never {
      throw new Error('walked on');
    },
  };
  const values = [
    { value: { text, unread }, path: '.text' },
    { value: [new Date(0), text, unread], path: '[1]' },
    { value: [new Date(0), new Float64Array(2_000_000), unread], path: '[1]' },
    { value: [new Date(0), Buffer.alloc(LIMITS.maxBytes + 1), unread], path: '[1]' },
  ];
  for (const { value, path } of values)
    refuses(t, value, { path, found: /maximum size of 8388608 bytes/, reason: 'too-large' });
});

test('an array of 100 million holes is refused', (t) => {
  const sparse: unknown[] = [];
  sparse[100_000_000] = 1;
  refuses(t, { sparse }, { path: '.sparse', found: /8388608 bytes/, reason: 'too-large' });
  refuses(t, new Array(100_000_000), { path: '', found: /8388608 bytes/, reason: 'too-large' });
});

test('a sparse array is encoded up to the maximum length', (t) => {
  const sparse = Object.assign([], { 7: 'x', length: MAX_SPARSE_LENGTH });
  roundTrip(t, sparse, RICH_CODEC);
  sparse.length++;
  refuses(t, { sparse }, { path: '.sparse', found: /holes and a length of 1000001/, reason: 'too-large' });
});
