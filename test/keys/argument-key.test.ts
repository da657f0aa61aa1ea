import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { canonical, defaultKey } from '../../src/core/keys/argument-key.js';
import { KeyError } from '../../src/core/shared/errors.js';
import { equalValue } from '../support/same-value.js';
import { STANDS_IN_NO_KEY, two } from './every-way.js';

const text = (value: unknown) => canonical(value, 'Users.find');

const grammar: readonly (readonly [name: string, value: unknown, expected: string])[] = [
  ['a string', 'abc', '"abc"'],
  ['the empty string', '', '""'],
  ['a string with structure', 'a",("b=c:d%~', '"a%22,(%22b=c%3Ad%25%7E"'],
  ['a string with spaces and control characters', 'a b\n\u007f', '"a%20b%0A%7F"'],
  ['a lone surrogate', '\ud800', '"%uD800"'],
  ['a surrogate pair', '\u{1f600}', '"\u{1f600}"'],
  ['a number', 42, '42'],
  ['a fraction', -1.5, '-1.5'],
  ['a large number', 1e21, '1e+21'],
  ['minus zero', -0, '-0'],
  ['not a number', Number.NaN, 'NaN'],
  ['infinity', Number.NEGATIVE_INFINITY, '-Infinity'],
  ['a bigint', 12n, '12n'],
  ['true', true, 'true'],
  ['null', null, 'null'],
  ['undefined', undefined, 'undefined'],
  ['an array', ['a', 1, [2]], '("a",1,(2))'],
  ['an empty array', [], '()'],
  ['a hole', [1, , undefined], '(1,hole,undefined)'],
  ['an object, with its names sorted', { size: 20, page: 1 }, '(page=1,size=20)'],
  ['an object with a name that is no identifier', { 'a=b': 1, '0': 2 }, '("0"=2,"a=b"=1)'],
  ['an empty object', {}, '(=)'],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), '(a=1)'],
  ['a Date', new Date(0), 'Date(1970-01-01T00:00:00.000Z)'],
  ['an invalid Date', new Date(Number.NaN), 'Date(invalid)'],
  [
    'a Map',
    new Map<unknown, unknown>([
      ['b', 1],
      [2, { c: 3 }],
    ]),
    'Map("b"=1,2=(c=3))',
  ],
  ['an empty Map', new Map(), 'Map()'],
  ['a Set', new Set(['b', 'a', 1]), 'Set("a","b",1)'],
  ['a Buffer', Buffer.from([251, 255]), 'Buffer(-_8)'],
  ['a Uint8Array', Uint8Array.of(1, 2), 'Uint8Array(AQI)'],
  ['a view of a part of a buffer', new Uint8Array([0, 1, 2, 0]).subarray(1, 3), 'Uint8Array(AQI)'],
  ['another typed array', Int16Array.of(1), 'Int16Array(AQA)'],
  ['an ArrayBuffer', Uint8Array.of(1, 2).buffer, 'ArrayBuffer(AQI)'],
  ['a RegExp', /a[b]/gi, 'RegExp("a%5Bb%5D",gi)'],
  ['a URL', new URL('http://a.example/?q=1'), 'URL("http%3A//a.example/%3Fq=1")'],
];

for (const [name, value, expected] of grammar) {
  test(`${name} becomes ${expected}`, (t) => {
    t.is(text(value), expected);
  });
}

test('names of Object.prototype are ordinary property names', (t) => {
  const odd = JSON.parse('{"__proto__":{"a":1},"constructor":2,"hasOwnProperty":3,"toString":4}') as object;
  t.is(text(odd), '(__proto__=(a=1),constructor=2,hasOwnProperty=3,toString=4)');
  t.is(text({ ['__proto__']: 1 }), '(__proto__=1)');
  t.not(text(JSON.parse('{"__proto__":{"a":1}}')), text({ a: 1 }));
});

test('many property names are sorted like few', (t) => {
  const names = Array.from({ length: 40 }, (_, i) => `n${(i * 7) % 40}`);
  const object = Object.fromEntries(names.map((name) => [name, 1]));
  t.is(
    text(object),
    `(${[...names]
      .sort()
      .map((name) => `${name}=1`)
      .join(',')})`,
  );
});

test('values of another realm make the same key', (t) => {
  const values: unknown = runInNewContext(
    '[{ b: 1, a: [new Date(0)] }, new Map([[1, 2]]), new Set(["x"]), /r/g]',
  );
  t.is(text(values), '((a=(Date(1970-01-01T00:00:00.000Z)),b=1),Map(1=2),Set("x"),RegExp("r",g))');
  t.throws(() => text(runInNewContext('new (class User {})()')), { instanceOf: KeyError });
});

test('a value that occurs twice is not a cycle', (t) => {
  const shared = { a: 1 };
  t.is(text([shared, shared]), '((a=1),(a=1))');
});

test('a getter of a plain object is read; a property that is not enumerable is not', (t) => {
  t.is(
    text({
      get a() {
        return 1;
      },
    }),
    '(a=1)',
  );
  t.is(text(Object.defineProperty({ a: 1 }, 'hidden', { value: 2 })), '(a=1)');
});

test('a proxy of a plain object reads as the object', (t) => {
  t.is(text(new Proxy({ a: 1 }, {})), '(a=1)');
});

class User {
  readonly id = 1;
}
class Tags extends Set<string> {}
class Ids extends Array<string> {}
class Bytes extends Uint8Array {}
const cyclic: Record<string, unknown> = { a: {} };
cyclic['a'] = { b: [cyclic] };
const mapCycle = new Map<string, unknown>();
mapCycle.set('self', mapCycle);
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const revokedArray = Proxy.revocable([], {});
revokedArray.revoke();
const failure = new Error('no such column');

const refused: readonly (readonly [name: string, value: unknown, path: string | null, reason: RegExp])[] = [
  ['a function', () => 1, null, /it is a function/],
  ['a class', User, null, /it is a function/],
  ['a symbol', Symbol('s'), null, /it is a symbol/],
  ['a method in an object', { filter: { by: () => 1 } }, '.filter.by', /it is a function/],
  ['a class instance', new User(), null, /it is an instance of User/],
  [
    'a class instance, deep',
    { filter: { users: [1, new User()] } },
    '.filter.users[1]',
    /an instance of User/,
  ],
  ['an object that inherits', Object.create({ a: 1 }), null, /it is/],
  [
    'an object that inherits from an object without a prototype',
    Object.create(Object.assign(Object.create(null), { a: 1 })),
    null,
    /it is an object of an unnamed class/,
  ],
  ['a subclass of Set', new Tags(), null, /it is an instance of Tags/],
  ['a subclass of Array', new Ids(), null, /it is an array/],
  ['a subclass of Uint8Array', new Bytes(1), null, /it is an instance of Bytes/],
  ['a promise', Promise.resolve(1), null, /it is a promise/],
  ['an error', new Error('x'), null, /it is an instance of Error/],
  ['a boxed string', new String('a'), null, /it is an instance of String/],
  ['a WeakMap', new WeakMap(), null, /it is an instance of WeakMap/],
  ['a SharedArrayBuffer', new SharedArrayBuffer(1), null, /it is an instance of SharedArrayBuffer/],
  ['a DataView', new DataView(new ArrayBuffer(1)), null, /it is an instance of DataView/],
  ['a generator', (function* () {})(), null, /it is/],
  ['a forged Date', Object.create(Date.prototype), null, /it is an instance of Date/],
  ['a forged URL', Object.create(URL.prototype), null, /reading it threw/],
  [
    'a Date with a property of its own',
    Object.assign(new Date(0), { zone: 'CET' }),
    null,
    /properties of its own/,
  ],
  ['an array with a named property', Object.assign([1], { total: 9 }), null, /named properties/],
  [
    'an array with a property that looks like an index',
    Object.assign([1], { '01': 9 }),
    null,
    /named properties/,
  ],
  ['an object with a symbol', { a: { [Symbol('s')]: 1 } }, '.a', /properties named by symbols/],
  ['an array with a symbol', Object.assign([1], { [Symbol('s')]: 1 }), null, /named properties/],
  [
    'an object with a toJSON method',
    { at: { toJSON: () => 1 } },
    '.at',
    /toJSON method, which is never called/,
  ],
  ['a cycle', cyclic, '.a.b[0]', /it contains itself/],
  ['a cycle through a Map', mapCycle, '[0]', /it contains itself/],
  ['a revoked proxy', { a: revoked.proxy }, '.a', /reading it threw an error/],
  ['a revoked proxy of an array', revokedArray.proxy, null, /reading it threw an error/],
  ['a large sparse array', { a: new Array(100_001) }, '.a', /sparse array of length 100001/],
  ['a name that is no identifier', { 'a b\n': () => 1 }, "['a b\\u000a']", /it is a function/],
];

for (const [name, value, path, reason] of refused) {
  test(`${name} is refused, and the error has its path`, (t) => {
    const error = t.throws(() => canonical(value, 'Users.find', 2), { instanceOf: KeyError, code: 'E_KEY' });
    const start = `Users.find: no key can be built from argument 2${path === null ? '' : `, at ${path}`}: `;
    t.is(error.message.slice(0, start.length), start);
    t.regex(error.message.slice(start.length), reason);
    t.regex(error.message, /a key template with a path \('user:\{0\.id\}'\), or a key function/);
  });
}

test('an error thrown by a getter is the cause of the KeyError', (t) => {
  const value = {
    rows: [
      {
        get name(): string {
          throw failure;
        },
      },
    ],
  };
  const error = t.throws(() => canonical(value, 'Users.find', 0), { instanceOf: KeyError });
  t.regex(error.message, /argument 0, at \.rows\[0\]\.name: reading it threw an error/);
  t.is(error.cause, failure);
});

test('an error thrown by a proxy trap is the cause of the KeyError, even undefined', (t) => {
  const throwing = (thrown: unknown) =>
    new Proxy(
      {},
      {
        ownKeys() {
          throw thrown;
        },
      },
    );
  t.is(t.throws(() => text(throwing(failure)), { instanceOf: KeyError }).cause, failure);
  t.throws(() => text(throwing(undefined)), { instanceOf: KeyError });
});

test('100 levels are accepted, 101 are refused', (t) => {
  const nested = (levels: number) => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = [value];
    return value;
  };
  t.is(text(nested(100)), `${'('.repeat(100)}1${')'.repeat(100)}`);
  t.throws(() => text(nested(101)), { instanceOf: KeyError, message: /more than 100 levels deep/ });
  t.throws(() => text(nested(200_000)), { instanceOf: KeyError, message: /more than 100 levels deep/ });
});

test('shared objects that expand beyond the maximum size are refused', (t) => {
  let value: unknown = 'x';
  for (let i = 0; i < 60; i++) value = [value, value];
  t.throws(() => text(value), { instanceOf: KeyError, message: /more than 2000000 characters/ });
});

test('no method of the value is called', (t) => {
  const called: string[] = [];
  const spy = (name: string) => () => {
    called.push(name);
    return 'x';
  };
  const date = new Date(0);
  const hidden = {
    toISOString: spy('iso'),
    getTime: spy('time'),
    toJSON: spy('json'),
    toString: spy('string'),
  };
  for (const [name, value] of Object.entries(hidden)) Object.defineProperty(date, name, { value });
  t.is(text(date), 'Date(1970-01-01T00:00:00.000Z)');
  for (const name of ['toJSON', 'toString', 'valueOf', Symbol.toPrimitive, Symbol.iterator]) {
    t.throws(() => text({ [name]: spy(String(name)) }), { instanceOf: KeyError });
  }
  const map = Object.defineProperty(new Map([[1, 2]]), 'entries', { value: spy('entries') });
  t.is(text(map), 'Map(1=2)');
  t.deepEqual(called, []);
});

// --- Properties ---

const hostile = fc.string({
  unit: fc.constantFrom(
    'a',
    'b',
    '"',
    ',',
    '=',
    '(',
    ')',
    ':',
    '%',
    '~',
    '2',
    ' ',
    '\ud800',
    '\udc00',
    '\n',
    'é',
    '*',
  ),
  maxLength: 4,
});
const scalar = fc.oneof(
  hostile,
  fc.constantFrom<unknown>(
    0,
    -0,
    1,
    1n,
    '1',
    '1n',
    true,
    'true',
    null,
    'null',
    undefined,
    'hole',
    Number.NaN,
    '-0',
  ),
  fc.constantFrom<unknown>(new Date(0), new Date(Number.NaN), new Date(0).toISOString(), /a/, /a/g, '/a/'),
  fc.constantFrom<unknown>(Buffer.from('a'), Uint8Array.of(97), Int8Array.of(97), new ArrayBuffer(1)),
);
const name = fc.oneof(
  fc.constantFrom('a', 'b', '__proto__', 'constructor', 'hasOwnProperty', '0', ''),
  hostile,
);
const small = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.sparseArray(tie('value'), { maxLength: 3, maxNumElements: 2 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    fc.array(tie('value'), { maxLength: 3 }).map((members) => new Set(members)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 2 }).map((entries) => new Map(entries)),
  ),
})).value;
const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: true,
  withUnicodeString: true,
} as fc.ObjectConstraints);

/** The same value, built in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered);
  if (value instanceof Set) return new Set([...value].toReversed().map(reordered));
  if (value instanceof Map) {
    return new Map([...value].toReversed().map(([key, member]) => [reordered(key), reordered(member)]));
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  const copy = {};
  for (const [key, member] of Object.entries(value).toReversed()) {
    Object.defineProperty(copy, key, {
      value: reordered(member),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return copy;
}

test('Property: two values have the same key exactly if they are deeply equal', (t) => {
  let equal = 0;
  // For these two, util.isDeepStrictEqual of Node 22.23 throws.
  const left = new Map<unknown, unknown>([
    [undefined, Buffer.from('a')],
    [[], []],
  ]);
  const right = new Map<unknown, unknown>([
    [[], undefined],
    [{}, undefined],
  ]);
  fc.assert(
    fc.property(small, small, (a, b) => {
      const same = equalValue(a, b);
      if (same) equal++;
      return (text(a) === text(b)) === same;
    }),
    { numRuns: 10_000, examples: [[left, right]] },
  );
  t.true(equal > 10, 'pairs that are equal are among those tried');
});

test('Property: two argument lists have the same key exactly if they are deeply equal', (t) => {
  fc.assert(
    fc.property(fc.array(scalar, { maxLength: 3 }), fc.array(scalar, { maxLength: 3 }), (a, b) => {
      return (text(a) === text(b)) === equalValue(a, b);
    }),
    { numRuns: 10_000 },
  );
  t.pass();
});

test('Property: the order of properties, Set members and Map entries does not matter', (t) => {
  fc.assert(
    fc.property(fc.oneof(small, anything), (value) => text(reordered(value)) === text(value)),
    { numRuns: 3_000 },
  );
  t.pass();
});

test('Property: the text contains only characters that a key may contain', (t) => {
  fc.assert(
    fc.property(fc.oneof(small, anything), (value) => !STANDS_IN_NO_KEY.test(text(value))),
    { numRuns: 3_000 },
  );
  t.pass();
});

test('input 13: { a: undefined } and {} make different default keys', (t) => {
  t.not(defaultKey('Users.find', [{ a: undefined }]), defaultKey('Users.find', [{}]));
});

test('input 15: a Map and an object make different default keys', (t) => {
  const keys = [new Map(), {}, new Set(), []].map((value) => defaultKey('Users.find', [value]));
  t.is(new Set(keys).size, 4);
  t.not(defaultKey('Users.find', [new Map([['a', 1]])]), defaultKey('Users.find', [{ a: 1 }]));
});

test('input 17: 1, "1" and 1n, true and "true" make different default keys', (t) => {
  const calls: unknown[] = [1, '1', 1n, '1n', true, 'true', null, 'null'];
  t.is(new Set(calls.map((value) => defaultKey('Users.find', [value]))).size, calls.length);
});

test('input 18: the order of properties does not matter', (t) => {
  t.is(defaultKey('Users.find', [{ a: 1, b: 2 }]), defaultKey('Users.find', [{ b: 2, a: 1 }]));
});

test('input 19: a cycle is a KeyError', (t) => {
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  t.throws(() => defaultKey('Users.find', ['a', cyclic]), {
    instanceOf: KeyError,
    message: /^Users\.find: .*argument 1, at \.self: it contains itself/,
  });
});

test('input 27: trailing undefined arguments do not count in the default key', (t) => {
  t.is(defaultKey('Users.find', []), 'Users.find:()');
  t.is(defaultKey('Users.find', [undefined, undefined]), 'Users.find:()');
  t.is(defaultKey('Users.find', ['a', undefined]), defaultKey('Users.find', ['a']));
  t.not(defaultKey('Users.find', ['a', null]), defaultKey('Users.find', ['a']));
  t.is(defaultKey('Users.find', [undefined, 'a']), 'Users.find:(undefined,"a")');
  t.is(defaultKey('Users.find', ['a', 'b']), 'Users.find:("a","b")');
  t.not(defaultKey('Users.find', ['a', 'b']), defaultKey('Users.find', [['a', 'b']]));
  t.is(two(['a']), two(['a', undefined]));
});

test('a method name never collides with the key of another method', (t) => {
  t.not(defaultKey('Users.find:("a")', []), defaultKey('Users.find', ['a']));
  t.is(defaultKey('Users.find:("a")', []), 'Users.find:%28"a"):()');
  t.is(defaultKey('billing:Users.find', ['a']), 'billing:Users.find:("a")');
  t.is(defaultKey('Admins/Users.find\n', []), 'Admins/Users.find%0A:()');
  t.not(defaultKey('Users.find', []), defaultKey('Users.findAll', []));
  t.is(defaultKey('Users.find', ['42', { size: 20, page: 1 }]), 'Users.find:("42",(page=1,size=20))');
});
