import test from 'ava';
import { ValueError } from '../../src/core/shared/errors.js';
import { encodeValue } from '../../src/core/values/value-codec.js';
import { LIMITS, DEEPEST, refuses, nested, type Refused } from './codec-rig.js';

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
  test(`${name} is refused, and the error has its path`, (t) => {
    refuses(t, value, refused);
  });
}

test('an object with the prototype of Date that is not a Date is refused', (t) => {
  const error = t.throws(() => encodeValue([Object.create(Date.prototype)], LIMITS), {
    instanceOf: ValueError,
  });
  t.is(error.reason, 'unsupported');
});

test('an error thrown by a getter is the cause of the ValueError', (t) => {
  const error = t.throws(() => encodeValue(throwing, LIMITS), { instanceOf: ValueError });
  t.is((error.cause as Error).message, 'no name yet');
});

test('a long path in a message is shortened', (t) => {
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

test('a getter that throws on the second read causes a ValueError', (t) => {
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
