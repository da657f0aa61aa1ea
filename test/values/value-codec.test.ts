import { Buffer } from 'node:buffer';
import vm from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { MAX_DEPTH } from '../../src/core/values/value-limits.js';
import {
  BUFFER_CODEC,
  BYTES_CODEC,
  decodeValue,
  encodeValue,
  INSTANCES_CODEC,
  JSON_CODEC,
  RICH_CODEC,
} from '../../src/core/values/value-codec.js';
import { sameValue } from '../support/same-value.js';
import { LIMITS, decodeText, roundTrip } from './codec-rig.js';

const JSON_VALUES: Readonly<Record<string, unknown>> = {
  null: null,
  true: true,
  'a number': -12.5e-7,
  'an empty string': '',
  'a string': 'naïve 日本 🎈 \u0000\n"\\',
  'lone surrogates': ['\ud800', '\udfff', { '\ud801x': '\udc00\ud800' }],
  'the text __proto__': ['__proto__', { text: '{"__proto__":1}', escaped: '\\u005f_proto__' }],
  'an empty object': {},
  'an empty array': [],
  rows: [
    { id: 1, tags: ['a', 'b'], deleted: null },
    { id: 2, tags: [], constructor: 'x', hasOwnProperty: 1 },
  ],
};

for (const [name, value] of Object.entries(JSON_VALUES)) {
  test(`${name}: round-trips as plain JSON`, (t) => {
    roundTrip(t, value, JSON_CODEC);
    t.is(encodeValue(value, LIMITS).payload.toString(), JSON.stringify(value));
  });
}

const RICH_VALUES: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  'undefined in an object': { a: undefined, b: 1 },
  'undefined in an array': [undefined, null],
  NaN: NaN,
  'the infinities': [Infinity, -Infinity],
  '-0': -0,
  '-0 among others': { a: [0, -0] },
  'a small BigInt': 7n,
  'a large BigInt': { id: -(2n ** 200n) },
  'a Date': new Date(1_700_000_000_123),
  'an invalid Date': { at: new Date(NaN) },
  'a Date before Christ and one far ahead': [new Date(-8.64e15), new Date(8.64e15)],
  'a Map': new Map<unknown, unknown>([
    ['a', 1],
    [{ key: 1 }, new Map([[1, new Set([2])]])],
    [NaN, undefined],
  ]),
  'an empty Map': new Map(),
  'a Set': new Set<unknown>(['a', 1, null, [1], new Set()]),
  'a RegExp': [/a+b\/\n/giu, /(?:)/, new RegExp('<')],
  'a URL': new URL('https://user@example.com:8080/a%20b?c=d#e'),
  URLSearchParams: new URLSearchParams([
    ['a', '1'],
    ['a', '2 3'],
  ]),
  'an object without a prototype': Object.assign(Object.create(null), { a: 1, b: [Object.create(null)] }),
  'an array with holes': [1, , 3, ,],
  'a long array with holes': Object.assign([], { 5: 'x', 99_999: undefined, length: 100_000 }),
  'a Buffer inside': { empty: Buffer.alloc(0), pooled: Buffer.from('bytes'), whole: Buffer.alloc(20_000, 7) },
  'a Uint8Array inside': { empty: new Uint8Array(), some: Uint8Array.of(0, 255) },
  'every typed array': [
    Int8Array.of(-1),
    Uint8ClampedArray.of(255),
    Int16Array.of(-2, 3),
    Uint16Array.of(65_535),
    Int32Array.of(-(2 ** 31)),
    Uint32Array.of(2 ** 32 - 1),
    Float32Array.of(1.5, -0, NaN),
    Float64Array.of(Math.PI, -0, Infinity),
    BigInt64Array.of(-(2n ** 63n)),
    BigUint64Array.of(2n ** 64n - 1n),
  ],
  'a typed array by itself': Float64Array.of(1, 2, 3),
  'a part of a typed array': [
    new Uint16Array([1, 2, 3, 4]).subarray(1, 3),
    new Uint8Array([1, 2, 3]).subarray(3),
  ],
  'a DataView and a part of one': [new DataView(new ArrayBuffer(8)), new DataView(new ArrayBuffer(8), 2, 3)],
  'an ArrayBuffer': Uint8Array.of(1, 2, 3).buffer,
  'lone surrogates beside a Date': { '\ud800': '\udfff', at: new Date(0) },
  'the text __proto__ beside a Date': {
    at: new Date(0),
    text: '__proto__',
    also: new Map([['__proto__', 1]]),
  },
};

for (const [name, value] of Object.entries(RICH_VALUES)) {
  test(`${name}: round-trips`, (t) => {
    roundTrip(t, value, RICH_CODEC);
  });
}

test('a Buffer round-trips, as its bytes and their CRC-32', (t) => {
  const bytes = Buffer.from('123456789');
  roundTrip(t, bytes, BUFFER_CODEC);
  roundTrip(t, Buffer.alloc(0), BUFFER_CODEC);
  // The check value of CRC-32/ISO-HDLC.
  t.deepEqual(
    encodeValue(bytes, LIMITS).payload,
    Buffer.concat([bytes, Buffer.from([0xcb, 0xf4, 0x39, 0x26])]),
  );
});

test('bytes that were truncated, extended or changed do not decode', (t) => {
  for (const bytes of [Buffer.from('some bytes'), Buffer.alloc(0), Uint8Array.of(0, 255, 0)]) {
    const { codec, payload } = encodeValue(bytes, LIMITS);
    for (let length = 0; length < payload.length; length++) {
      t.is(decodeValue(codec, payload.subarray(0, length)), undefined);
    }
    t.is(decodeValue(codec, Buffer.concat([payload, Buffer.from([0])])), undefined);
    for (let at = 0; at < payload.length; at++) {
      const damaged = Buffer.from(payload);
      damaged[at]! ^= 1;
      t.is(decodeValue(codec, damaged), undefined);
    }
  }
});

test('a Uint8Array round-trips, as its bytes', (t) => {
  const bytes = new Uint8Array([9, 0, 255, 1, 9]).subarray(1, 4);
  const back = roundTrip(t, bytes, BYTES_CODEC) as Uint8Array;
  t.is(back.buffer.byteLength, 3);
});

test('bytes share no memory with their payload, in either direction', (t) => {
  for (const bytes of [Buffer.from('abc'), Uint8Array.of(1, 2, 3)]) {
    const before = bytes.slice();
    const { codec, payload } = encodeValue(bytes, LIMITS);
    const first = decodeValue(codec, payload)?.value as Uint8Array;
    first.fill(0);
    bytes.fill(0);
    t.deepEqual(decodeValue(codec, payload)?.value, Buffer.isBuffer(before) ? Buffer.from('abc') : before);
  }
});

test('only the part of a buffer that a view covers is encoded', (t) => {
  const pool = Buffer.from('a secret, public, another secret');
  const shown = new Uint8Array(pool.buffer, pool.byteOffset + 10, 6);
  const { payload } = encodeValue({ shown, buffer: pool.subarray(10, 16) }, LIMITS);
  t.false(payload.includes(Buffer.from('secret').toString('base64').slice(0, 8)));
  t.true(payload.length < 200);
  const back = decodeValue(RICH_CODEC, payload)?.value as { shown: Uint8Array; buffer: Buffer };
  t.is(Buffer.from(back.shown).toString(), 'public');
  t.is(back.buffer.toString(), 'public');
});

test('two views of one ArrayBuffer still share it', (t) => {
  const buffer = new ArrayBuffer(8);
  const back = roundTrip(t, [new Uint8Array(buffer), new Float64Array(buffer), buffer], RICH_CODEC);
  const [bytes, floats, whole] = back as [Uint8Array, Float64Array, ArrayBuffer];
  t.is(bytes.buffer, whole);
  t.is(floats.buffer, whole);
});

test('objects of another realm are plain data', (t) => {
  const value: unknown = vm.runInNewContext('({ rows: [{ id: 1 }] })');
  const { codec, payload } = encodeValue(value, LIMITS);
  t.true(sameValue(decodeValue(codec, payload)?.value, { rows: [{ id: 1 }] }));
});

test('accessors are read, toJSON is not called', (t) => {
  const value = {
    get a() {
      return 1;
    },
  };
  t.true(sameValue(decodeText(JSON_CODEC, encodeValue(value, LIMITS).payload.toString())?.value, { a: 1 }));
  const hidden = Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'something else' });
  const { codec, payload } = encodeValue(hidden, LIMITS);
  t.true(sameValue(decodeValue(codec, payload)?.value, { a: 1 }));
});

test('a payload with a key __proto__ does not decode, in any spelling', (t) => {
  const spellings = [
    '{"__proto__":{"admin":1}}',
    '{"\\u005f_proto__":{"admin":1}}',
    '{"\\u005F\\u005f\\u0070\\u0072\\u006f\\u0074\\u006F\\u005f\\u005f":{"admin":1}}',
    '{"__\\u0070roto__":{"admin":1}}',
    '[{"a":{"b":[{"__proto__":{"admin":1}}]}}]',
    '{"__proto__":1,"a":"__proto__"}',
  ];
  for (const text of spellings) {
    t.is(decodeText(JSON_CODEC, text), undefined, text);
  }
  const rich = [
    '[{"__proto__":1},{"admin":2},1]',
    '[{"\\u005f_proto__":1},{"admin":2},1]',
    '[["null","__proto__",1],1]',
  ];
  for (const text of rich) {
    t.is(decodeText(RICH_CODEC, text), undefined, text);
  }
  t.is(Reflect.get({}, 'admin'), undefined);
});

test('a payload with the text __proto__ as a value decodes', (t) => {
  for (const text of [
    '"__proto__"',
    '["\\u005f_proto__"]',
    '{"a":"{\\"__proto__\\":1}"}',
    '{"x__proto__":1}',
  ]) {
    const decoded = decodeText(JSON_CODEC, text);
    t.deepEqual(decoded, { value: JSON.parse(text) });
    t.is(Reflect.get(Object.assign({}, decoded?.value), 'admin'), undefined);
  }
});

test('unknown codecs do not decode', (t) => {
  for (let codec = 0; codec < 256; codec++) {
    const { payload } = encodeValue(Buffer.from('[1,2]'), LIMITS);
    const isBytes = codec === BUFFER_CODEC || codec === BYTES_CODEC;
    const decoded = isBytes ? decodeValue(codec, payload) : decodeText(codec, '[1,2]');
    const known = [JSON_CODEC, RICH_CODEC, BUFFER_CODEC, BYTES_CODEC, INSTANCES_CODEC];
    t.is(decoded !== undefined, known.includes(codec));
  }
});

test('JSON deeper than the maximum does not decode', (t) => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
    ['[1,{"a":', '}]'],
  ] as const) {
    const levels = open.startsWith('[1') ? 2 : 1;
    const times = MAX_DEPTH / levels;
    t.truthy(decodeText(JSON_CODEC, open.repeat(times) + '1' + close.repeat(times)));
    t.is(decodeText(JSON_CODEC, open.repeat(times + 1) + '1' + close.repeat(times + 1)), undefined);
    t.is(decodeText(JSON_CODEC, open.repeat(200_000) + '1' + close.repeat(200_000)), undefined);
  }
});

test('JSON with many brackets that are not nested, or within strings, decodes', (t) => {
  for (const value of [Array.from({ length: 5000 }, () => ({ a: [] })), '[{'.repeat(5000)]) {
    const { codec, payload } = encodeValue(value, LIMITS);
    t.deepEqual(decodeValue(codec, payload), { value });
  }
});

const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ unit }));

const bytes = fc.uint8Array({ maxLength: 40 });

const leaf = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom(null, undefined, NaN, Infinity, -Infinity, -0),
  fc.constant(null).map(() => new Date(NaN)),
  fc.constantFrom('a', '\\\\', '/', '[<\\]]+').map((source) => new RegExp(source, 'gu')),
  bytes.map((array) => Buffer.from(array)),
  bytes.map((array) => array.subarray(array.length >> 1)),
  bytes.map((array) => array.slice().buffer),
  bytes.map((array) => new DataView(array.slice().buffer, array.length >> 2)),
  fc.webUrl().map((url) => new URL(url)),
);

const kept = fc.anything({
  key: text.filter((key) => key !== '__proto__'),
  values: [leaf],
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  withTypedArray: true,
});

test('Property: values of supported kinds round-trip', (t) => {
  fc.assert(
    fc.property(kept, (value) => {
      const { codec, payload } = encodeValue(value, LIMITS);
      return sameValue(value, decodeValue(codec, payload)?.value);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('Property: a value that JSON round-trips is encoded as plain JSON', (t) => {
  fc.assert(
    fc.property(kept, (value) => {
      const json: string | undefined = JSON.stringify(value, (_, part: unknown) =>
        typeof part === 'bigint' ? null : part,
      );
      const safe = json !== undefined && sameValue(value, JSON.parse(json));
      t.is(encodeValue(value, LIMITS).codec === JSON_CODEC, safe);
    }),
    { numRuns: 1000 },
  );
});

test('Property: decoding arbitrary bytes never throws', (t) => {
  fc.assert(
    fc.property(
      fc.nat(6),
      fc.oneof(
        bytes,
        fc.json().map((json) => Buffer.from(json)),
      ),
      (codec, payload) => {
        checkDecoded(decodeValue(codec, Buffer.from(payload)));
      },
    ),
    { numRuns: 3000 },
  );
  t.pass();
});

const splice = fc.record({
  at: fc.nat(1 << 16),
  remove: fc.nat(4),
  insert: fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.integer({ min: -9, max: 30 }).map(String),
    fc.constantFrom(
      '[',
      ']',
      '{',
      '}',
      ',',
      '"__proto__":',
      '"\\u005f_proto__":',
      '[-7,4294967295]',
      '"Buffer"',
    ),
    fc.constantFrom(
      '"Object"',
      '"Uint8Array"',
      '"ArrayBuffer"',
      '"Map"',
      '"Set"',
      '"null"',
      '"Date"',
      '"BigInt"',
    ),
  ),
});

test('Property: decoding a tampered payload returns nothing or data, and never throws', (t) => {
  fc.assert(
    fc.property(kept, fc.array(splice, { minLength: 1, maxLength: 3 }), (value, splices) => {
      const { codec, payload } = encodeValue(value, LIMITS);
      const units = [...payload.toString('latin1')];
      for (const { at, remove, insert } of splices) units.splice(at % (units.length + 1), remove, insert);
      checkDecoded(decodeValue(codec, Buffer.from(units.join(''), 'latin1')));
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

test('Property: decoding a rich payload with exchanged parts returns nothing or data, and never throws', (t) => {
  const reference = fc.integer({ min: -8, max: 12 });
  const tag = fc.constantFrom(
    ...[
      'Map',
      'Set',
      'Date',
      'RegExp',
      'URL',
      'URLSearchParams',
      'BigInt',
      'null',
      'Object',
      'Buffer',
      'Uint8Array',
    ],
    ...['Float64Array', 'DataView', 'ArrayBuffer', 'Temporal.Instant', 'Error', '__proto__', 'constructor'],
  );
  const key = fc.constantFrom('a', 'toString', 'constructor', '__proto__', 'length', 'then', 'valueOf');
  const part = fc.oneof(
    reference,
    fc.constantFrom('', 'a', 'YWJj', null, true, 4_294_967_295, 0.5),
    fc.array(reference, { maxLength: 4 }),
    fc.tuple(fc.constant(-7), fc.constantFrom(0, 3, 1_000_000, 1_000_001, 2 ** 32), reference, reference),
    fc.tuple(tag, fc.oneof(reference, fc.constantFrom('YWJj', '1', 'a', 'https://a.b', null))),
    fc.tuple(tag, reference, reference, reference),
    fc.tuple(fc.constant('null'), key, reference),
    fc.array(fc.tuple(key, reference), { maxLength: 3 }).map((pairs) => {
      const object: Record<string, unknown> = {};
      for (const [name, value] of pairs) {
        Object.defineProperty(object, name, { value, enumerable: true, configurable: true });
      }
      return object;
    }),
  );
  let decodable = 0;
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
      const decoded = decodeText(RICH_CODEC, JSON.stringify(parts));
      if (decoded) decodable++;
      checkDecoded(decoded);
    }),
    { numRuns: 5000 },
  );
  t.true(decodable > 100);
});

const PROTOTYPES: ReadonlySet<unknown> = new Set(
  [
    null,
    ...[
      Object,
      Array,
      Map,
      Set,
      Date,
      RegExp,
      URL,
      URLSearchParams,
      ArrayBuffer,
      DataView,
      Buffer,
      Uint8Array,
    ],
    ...[
      Uint8ClampedArray,
      Int8Array,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      Float32Array,
      Float64Array,
    ],
    ...[BigInt64Array, BigUint64Array],
  ].map((kind) => kind?.prototype ?? null),
);

/** Throws if a decoded value holds anything but data of the kinds that are kept. */
function checkDecoded(decoded: { readonly value: unknown } | undefined): void {
  const seen = new Set<unknown>();
  const waiting = decoded ? [decoded.value] : [];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === 'function' || typeof value === 'symbol')
      throw new Error(`decoded a ${typeof value}`);
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    if (!PROTOTYPES.has(Object.getPrototypeOf(value)))
      throw new Error('decoded an object of an unexpected kind');
    if (Object.hasOwn(value, '__proto__')) throw new Error('decoded an own key __proto__');
    if (value instanceof Map) waiting.push(...value.keys(), ...value.values());
    if (value instanceof Set) waiting.push(...value);
    if (!ArrayBuffer.isView(value)) waiting.push(...Object.values(value));
  }
  if (Object.keys(Object.prototype).length > 0) throw new Error('decoding polluted Object.prototype');
}
