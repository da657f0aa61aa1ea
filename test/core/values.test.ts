import { Buffer } from 'node:buffer';
import vm from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { ValueError } from '../../src/core/shared/errors.js';
import { MAX_DEPTH, MAX_SPARSE_LENGTH } from '../../src/core/values/value-limits.js';
import {
  BUFFER_CODEC,
  BYTES_CODEC,
  decodeValue,
  encodeValue,
  JSON_CODEC,
  RICH_CODEC,
} from '../../src/core/values/value-codec.js';
import { sameValue } from '../support/same-value.js';

const LIMITS = { maxBytes: 8 * 1024 * 1024, maxDepth: 100 };
const DEEPEST = { ...LIMITS, maxDepth: MAX_DEPTH };

function decodeText(codec: number, text: string) {
  return decodeValue(codec, Buffer.from(text));
}

function roundTrip(t: ExecutionContext, value: unknown, codec: number): unknown {
  const encoded = encodeValue(value, LIMITS);
  t.is(encoded.codec, codec);
  const decoded = decodeValue(encoded.codec, encoded.payload);
  t.truthy(decoded);
  t.true(sameValue(value, decoded?.value));
  return decoded?.value;
}

interface Refused {
  readonly path: string;
  readonly found: RegExp;
  readonly reason?: ValueError['reason'];
}

function refuses(
  t: ExecutionContext,
  value: unknown,
  { path, found, reason = 'unsupported' }: Refused,
): void {
  const error = t.throws(() => encodeValue(value, LIMITS), { instanceOf: ValueError });
  t.is(error.reason, reason);
  t.is(error.code, 'E_VALUE');
  t.regex(error.message, found);
  t.true(error.message.includes(` at value${path}. `), error.message);
}

function nested(levels: number, innermost: unknown): unknown {
  let value = innermost;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

// --- what is kept -----------------------------------------------------------------------------------------------

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
  test(`${name}: comes back equal as plain JSON`, (t) => {
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
  test(`${name}: comes back equal`, (t) => {
    roundTrip(t, value, RICH_CODEC);
  });
}

test('A Buffer comes back as a Buffer, from its bytes and their CRC-32', (t) => {
  const bytes = Buffer.from('123456789');
  roundTrip(t, bytes, BUFFER_CODEC);
  roundTrip(t, Buffer.alloc(0), BUFFER_CODEC);
  // The check value of CRC-32/ISO-HDLC.
  t.deepEqual(
    encodeValue(bytes, LIMITS).payload,
    Buffer.concat([bytes, Buffer.from([0xcb, 0xf4, 0x39, 0x26])]),
  );
});

test('Bytes that are longer, shorter or other than what was written are undecodable', (t) => {
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

test('A Uint8Array comes back as a Uint8Array, from its bare bytes', (t) => {
  const bytes = new Uint8Array([9, 0, 255, 1, 9]).subarray(1, 4);
  const back = roundTrip(t, bytes, BYTES_CODEC) as Uint8Array;
  t.is(back.buffer.byteLength, 3);
});

test('Bytes share no memory with their payload, on either way', (t) => {
  for (const bytes of [Buffer.from('abc'), Uint8Array.of(1, 2, 3)]) {
    const before = bytes.slice();
    const { codec, payload } = encodeValue(bytes, LIMITS);
    const first = decodeValue(codec, payload)?.value as Uint8Array;
    first.fill(0);
    bytes.fill(0);
    t.deepEqual(decodeValue(codec, payload)?.value, Buffer.isBuffer(before) ? Buffer.from('abc') : before);
  }
});

test('Only the part of a buffer that a view shows is written', (t) => {
  const pool = Buffer.from('a secret, public, another secret');
  const shown = new Uint8Array(pool.buffer, pool.byteOffset + 10, 6);
  const { payload } = encodeValue({ shown, buffer: pool.subarray(10, 16) }, LIMITS);
  t.false(payload.includes(Buffer.from('secret').toString('base64').slice(0, 8)));
  t.true(payload.length < 200);
  const back = decodeValue(RICH_CODEC, payload)?.value as { shown: Uint8Array; buffer: Buffer };
  t.is(Buffer.from(back.shown).toString(), 'public');
  t.is(back.buffer.toString(), 'public');
});

test('Two views on the whole of one ArrayBuffer still share it', (t) => {
  const buffer = new ArrayBuffer(8);
  const back = roundTrip(t, [new Uint8Array(buffer), new Float64Array(buffer), buffer], RICH_CODEC);
  const [bytes, floats, whole] = back as [Uint8Array, Float64Array, ArrayBuffer];
  t.is(bytes.buffer, whole);
  t.is(floats.buffer, whole);
});

test('Cycles come back as cycles', (t) => {
  const node: Record<string, unknown> = { name: 'root' };
  node['self'] = node;
  node['list'] = [node, new Map([[node, new Set([node])]])];
  const back = roundTrip(t, node, RICH_CODEC) as typeof node;
  t.is(back['self'], back);
});

test('What is one object in a rich value is one object when it comes back', (t) => {
  const shared = { at: new Date(0) };
  const back = roundTrip(t, [shared, shared], RICH_CODEC) as unknown[];
  t.is(back[0], back[1]);
});

test('What is one object in a value that is safe for JSON comes back as equal copies', (t) => {
  const shared = { a: 1 };
  const { codec, payload } = encodeValue([shared, shared], LIMITS);
  t.is(codec, JSON_CODEC);
  t.deepEqual(decodeValue(codec, payload)?.value, [{ a: 1 }, { a: 1 }]);
});

test('Shared parts that would be too large as copies are written once', (t) => {
  let value: unknown = 'x';
  for (let i = 0; i < 60; i++) value = [value, value];
  const { codec, payload } = encodeValue(value, LIMITS);
  t.is(codec, RICH_CODEC);
  t.true(payload.length < 1000);
  let back = decodeValue(codec, payload)?.value;
  for (let i = 0; i < 60; i++) {
    const pair = back as [unknown, unknown];
    t.is(pair[0], pair[1]);
    back = pair[0];
  }
  t.is(back, 'x');
});

test('A long string that stands at many places of a rich value is written once', (t) => {
  const text = 'x'.repeat(1000);
  const value = [new Date(0), text, text, text];
  const { payload } = encodeValue(value, { ...LIMITS, maxBytes: 1100 });
  t.true(sameValue(decodeValue(RICH_CODEC, payload)?.value, value));
});

test('Objects of another realm are data like any other', (t) => {
  const value: unknown = vm.runInNewContext('({ rows: [{ id: 1 }] })');
  const { codec, payload } = encodeValue(value, LIMITS);
  t.true(sameValue(decodeValue(codec, payload)?.value, { rows: [{ id: 1 }] }));
});

test('Accessors are read, toJSON is not called', (t) => {
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

// --- what is refused --------------------------------------------------------------------------------------------

class Money {
  readonly cents = 1;
}
class Rows extends Array<number> {}
class Bytes extends Uint8Array {}
class Moment extends Date {}
class Registry extends Map<string, number> {}

const throwing = {
  get name(): string {
    throw new Error('no name yet');
  },
};
const trapped = new Proxy(
  {},
  {
    ownKeys() {
      throw new Error('trapped');
    },
  },
);
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();

const REFUSED: Readonly<Record<string, Refused & { readonly value: unknown }>> = {
  'a class instance': {
    value: { rows: [{ total: new Money() }] },
    path: '.rows[0].total',
    found: /instance of Money/,
  },
  'a class instance by itself': { value: new Money(), path: '', found: /instance of Money/ },
  'a subclass of Array': { value: [Rows.of(1)], path: '[0]', found: /an array/ },
  'a subclass of Uint8Array': { value: [new Bytes(2)], path: '[0]', found: /instance of Bytes/ },
  'a subclass of Uint8Array by itself': { value: new Bytes(2), path: '', found: /instance of Bytes/ },
  'a subclass of Date': { value: { at: new Moment() }, path: '.at', found: /instance of Moment/ },
  'a subclass of Map': { value: { all: new Registry() }, path: '.all', found: /instance of Registry/ },
  'an object with another object as its prototype': {
    value: [Object.create({ a: 1 })],
    path: '[0]',
    found: /object/,
  },
  'what only looks like a Map': { value: [Object.create(Map.prototype)], path: '[0]', found: /throws/ },
  'a boxed number': { value: { n: Object(1) }, path: '.n', found: /instance of Number/ },
  'an error': {
    value: { failure: new TypeError('x') },
    path: '.failure',
    found: /instance of TypeError.*Throw it/,
  },
  'a function': { value: { 'the way': () => 1 }, path: "['the way']", found: /a function/ },
  'a method beside data': { value: [{ a: 1, toJSON: () => 1 }], path: '[0].toJSON', found: /a function/ },
  'a symbol': { value: new Set([1, Symbol('s')]), path: '.values()[1]', found: /a symbol/ },
  'a symbol as a key': { value: { a: { [Symbol('s')]: 1 } }, path: '.a', found: /symbol as a key/ },
  'a promise': { value: { user: Promise.resolve(1) }, path: '.user', found: /a promise.*Await it/ },
  'a WeakMap in a Map': {
    value: new Map([['k', new WeakMap()]]),
    path: ".get('k')",
    found: /instance of WeakMap/,
  },
  'an instance as a key of a Map': { value: new Map([[new Money(), 1]]), path: '.keys()[0]', found: /Money/ },
  'an instance under an object in a Map': {
    value: new Map([[{}, new Money()]]),
    path: '.values()[0]',
    found: /Money/,
  },
  'an own key __proto__': {
    value: [JSON.parse('{"__proto__":1}')],
    path: '[0]',
    found: /own key `__proto__`/,
  },
  'an own key __proto__ without a prototype': {
    value: Object.defineProperty(Object.create(null), '__proto__', { value: 1, enumerable: true }),
    path: '',
    found: /own key `__proto__`/,
  },
  'a property on an array': { value: { found: /b/.exec('abc') }, path: '.found', found: /property 'groups'/ },
  'a property on an array of data': {
    value: [Object.assign([1], { total: 5 })],
    path: '[0]',
    found: /'total'/,
  },
  'a property on a Map': {
    value: Object.assign(new Map(), { total: 5 }),
    path: '',
    found: /property 'total'/,
  },
  'a property on a Set': {
    value: [Object.assign(new Set([1]), { total: 5 })],
    path: '[0]',
    found: /property 'total'/,
  },
  'a property on a Date': {
    value: Object.assign(new Date(0), { zone: 'UTC' }),
    path: '',
    found: /property 'zone'/,
  },
  'a RegExp with a lastIndex': { value: Object.assign(/a/g, { lastIndex: 2 }), path: '', found: /lastIndex/ },
  'a SharedArrayBuffer': {
    value: [new SharedArrayBuffer(4)],
    path: '[0]',
    found: /instance of SharedArrayBuffer/,
  },
  'a getter that throws': { value: { user: throwing }, path: '.user.name', found: /throws when it is read/ },
  'a Proxy with a trap that throws': {
    value: { user: trapped },
    path: '.user',
    found: /throws when it is read/,
  },
  'a revoked Proxy': { value: [revoked], path: '[0]', found: /throws when it is read/ },
};

for (const [name, { value, ...refused }] of Object.entries(REFUSED)) {
  test(`${name}: is refused, with its place`, (t) => {
    refuses(t, value, refused);
  });
}

test('What only looks like a Date is refused', (t) => {
  const error = t.throws(() => encodeValue([Object.create(Date.prototype)], LIMITS), {
    instanceOf: ValueError,
  });
  t.is(error.reason, 'unsupported');
});

test('The error of a getter is the cause', (t) => {
  const error = t.throws(() => encodeValue(throwing, LIMITS), { instanceOf: ValueError });
  t.is((error.cause as Error).message, 'no name yet');
});

test('A path in a message is cut', (t) => {
  const error = t.throws(
    () =>
      encodeValue(
        nested(99, () => 1),
        LIMITS,
      ),
    { instanceOf: ValueError },
  );
  t.regex(error.message, /at value(\[0\]){99}\./);
  const long = t.throws(
    () =>
      encodeValue(
        nested(999, () => 1),
        DEEPEST,
      ),
    { instanceOf: ValueError },
  );
  t.regex(long.message, /at value(\[0\]){100}\.\.\.\./);
});

test('A getter that throws only when it is read again still ends in a ValueError', (t) => {
  let reads = 0;
  const fickle = {
    get a(): number {
      if (++reads > 1) throw new Error('again');
      return 1;
    },
  };
  const error = t.throws(() => encodeValue(fickle, LIMITS), { instanceOf: ValueError });
  t.is((error.cause as Error).message, 'again');
});

test('A value that is deeper than allowed is refused, at the last level that is allowed it is kept', (t) => {
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

test('Whatever depth is allowed, nothing is written that would not be read', (t) => {
  for (const innermost of ['x', undefined, Buffer.from('x')]) {
    const { codec, payload } = encodeValue(nested(MAX_DEPTH, innermost), DEEPEST);
    t.true(sameValue(decodeValue(codec, payload)?.value, nested(MAX_DEPTH, innermost)));
    const beyond = { ...LIMITS, maxDepth: 1_000_000 };
    const error = t.throws(() => encodeValue(nested(200_000, innermost), beyond), { instanceOf: ValueError });
    t.is(error.reason, 'too-deep');
  }
});

test('A value is refused from the first byte over the limit, of whatever kind', (t) => {
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

test('What is far too large is refused without being walked to its end', (t) => {
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

test('An array of 100 million holes is refused', (t) => {
  const sparse: unknown[] = [];
  sparse[100_000_000] = 1;
  refuses(t, { sparse }, { path: '.sparse', found: /8388608 bytes/, reason: 'too-large' });
  refuses(t, new Array(100_000_000), { path: '', found: /8388608 bytes/, reason: 'too-large' });
});

test('An array with holes is kept up to a length that can be walked', (t) => {
  const sparse = Object.assign([], { 7: 'x', length: MAX_SPARSE_LENGTH });
  roundTrip(t, sparse, RICH_CODEC);
  sparse.length++;
  refuses(t, { sparse }, { path: '.sparse', found: /holes and a length of 1000001/, reason: 'too-large' });
});

// --- bytes that anybody may have written ------------------------------------------------------------------------

test('A key __proto__ makes a payload undecodable, however it is spelled', (t) => {
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

test('The text __proto__ as a value does not make a payload undecodable', (t) => {
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

test('Other codecs than these four are undecodable', (t) => {
  for (let codec = 0; codec < 256; codec++) {
    const { payload } = encodeValue(Buffer.from('[1,2]'), LIMITS);
    const isBytes = codec === BUFFER_CODEC || codec === BYTES_CODEC;
    const decoded = isBytes ? decodeValue(codec, payload) : decodeText(codec, '[1,2]');
    t.is(decoded !== undefined, [JSON_CODEC, RICH_CODEC, BUFFER_CODEC, BYTES_CODEC].includes(codec));
  }
});

test('JSON nested deeper than is ever written is undecodable', (t) => {
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

test('JSON with many brackets that are not nested, or stand in text, is decoded', (t) => {
  for (const value of [Array.from({ length: 5000 }, () => ({ a: [] })), '[{'.repeat(5000)]) {
    const { codec, payload } = encodeValue(value, LIMITS);
    t.deepEqual(decodeValue(codec, payload), { value });
  }
});

test('Rich JSON nested deeper than is ever written is undecodable', (t) => {
  const chain = (levels: number) =>
    `[${Array.from({ length: levels }, (_, i) => (i + 1 < levels ? `[${i + 1}]` : '[]')).join()}]`;
  t.truthy(decodeText(RICH_CODEC, chain(MAX_DEPTH)));
  t.is(decodeText(RICH_CODEC, chain(MAX_DEPTH + 1)), undefined);
  t.is(decodeText(RICH_CODEC, chain(200_000)), undefined);
  t.is(decodeText(RICH_CODEC, `${'['.repeat(200_000)}${']'.repeat(200_000)}`), undefined);
});

test('Rich JSON that this library does not write is undecodable', (t) => {
  const texts = [
    '',
    '[',
    '{}',
    'null',
    '"x"',
    '5',
    '-2',
    '-8',
    '[]',
    '[[1]]',
    '[{"a":7}]',
    '[{"a":"b"}]',
    '[["Object",1],1]',
    '[["Temporal.Instant","2026-01-01T00:00:00Z"]]',
    '[["Error",1],"x"]',
    '[["__proto__",1],"x"]',
    '[["constructor",1],"x"]',
    '[["Buffer",1],"YWJj"]',
    '[["Buffer",1],{"length":2},1000000000]',
    '[["Buffer",1],{"buffer":2},{"length":3},1000000]',
    '[["Buffer",0]]',
    '[["Buffer"]]',
    '[["Uint8Array",1],1000000000]',
    '[["Uint8Array",0]]',
    '[["Float64Array",1],["ArrayBuffer","YWJj"]]',
    '[["Uint8Array",1,0,1000000000],["ArrayBuffer","YWJj"]]',
    '[["ArrayBuffer",1],1000000000]',
    '[["RegExp","("]]',
    '[["URL","nowhere"]]',
    '[["BigInt","1.5"]]',
    '[[-7]]',
    '[[-7,4294967295]]',
    '[[-7,1000001,0,1],1]',
    '[[-7,"9"]]',
    '[[-7,2,5,1],1]',
  ];
  for (const text of texts) {
    t.is(decodeText(RICH_CODEC, text), undefined, text);
  }
});

test('Many Buffers that name the same bytes take the memory of one', (t) => {
  const count = 10_000;
  const list = Array.from({ length: count }, (_, i) => i + 1).join();
  const buffers = Array.from({ length: count }, () => `["Buffer",${count + 1}]`).join();
  const bytes = Buffer.alloc(1_000_000).toString('base64');
  const text = `[[${list}],${buffers},["Uint8Array",${count + 2}],["ArrayBuffer","${bytes}"]]`;
  const back = decodeText(RICH_CODEC, text)?.value as Buffer[];
  t.is(back.length, count);
  t.is(new Set(back.map((buffer) => buffer.buffer)).size, 1);
});

// --- properties -------------------------------------------------------------------------------------------------

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

test('Property: whatever is made of kept kinds comes back as it was', (t) => {
  fc.assert(
    fc.property(kept, (value) => {
      const { codec, payload } = encodeValue(value, LIMITS);
      return sameValue(value, decodeValue(codec, payload)?.value);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('Property: whatever JSON gives back equal is plain JSON', (t) => {
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

test('Property: arbitrary bytes never make decoding throw', (t) => {
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

test('Property: a payload that was tampered with gives nothing or data, and never throws', (t) => {
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

test('Property: a rich payload whose parts were exchanged gives nothing or data, and never throws', (t) => {
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
