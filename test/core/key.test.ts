import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';

import { KeyError, OptionsError } from '../../src/core/shared/errors.js';
import {
  hashIfLong,
  keyFromParts,
  keyFromString,
  logicalKey,
  renderPart,
  type KeyPart,
} from '../../src/core/keys/key.js';
import { checkNamespace, clearKey, entryKey, tagChangesKey, tagKey } from '../../src/core/keys/store-keys.js';
import { compileTemplate } from '../../src/core/keys/key-template.js';
import { defaultKey } from '../../src/core/keys/argument-key.js';
import { key } from '../../src/core/keys/key-tag.js';

const STANDS_IN_NO_KEY = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp} '*?[\]\\{}]/u;
const WHERE = 'key of @Cached on Users.find';

const one = compileTemplate('user:{0}', WHERE);
const two = compileTemplate('user:{0}:{1}', WHERE);
const dashed = compileTemplate('user:{0}-{1}', WHERE);

/** Every way from one or two scalars to a key. */
const ways: Readonly<Record<string, (...args: KeyPart[]) => string>> = {
  template: (...args) => (args.length === 1 ? one(args) : two(args)),
  'template with another separator': (...args) => (args.length === 1 ? one(args) : dashed(args)),
  parts: (...args) => keyFromParts(['user', ...args], WHERE),
  'tagged template': (...args) =>
    args.length === 1 ? key`user:${args[0]}` : key`user:${args[0]}:${args[1]}`,
  'default key': (...args) => defaultKey('Users.find', args),
};

/** Each list of arguments has its own key, in every way, and no key holds what has a meaning to Redis. */
function distinct(t: ExecutionContext, ...calls: readonly KeyPart[][]): void {
  for (const [way, make] of Object.entries(ways)) {
    const keys = calls.map((args) => make(...args));
    t.is(new Set(keys).size, calls.length, `${way}: ${keys.join(' | ')}`);
    for (const made of keys) t.notRegex(made, STANDS_IN_NO_KEY, way);
  }
}

// --- facts: bad inputs, 1 to 22 and 25 to 27 ---

test('input 1: ("a:b", "c") and ("a", "b:c") make different keys', (t) => {
  distinct(t, ['a:b', 'c'], ['a', 'b:c'], ['a:b:c', ''], ['', 'a:b:c'], ['a', 'b', 'c']);
  t.is(two(['a:b', 'c']), 'user:a%3Ab:c');
});

test('input 2: "a|b" is a part like any other', (t) => {
  distinct(t, ['a|b'], ['a', 'b'], ['a', '|b'], ['a|', 'b']);
  const piped = compileTemplate('user:{0}|{1}', WHERE);
  t.not(piped(['a|b', 'c']), piped(['a', 'b|c']));
});

test('input 3: "%3A" and ":" make different keys', (t) => {
  distinct(t, ['%3A'], [':'], ['%253A'], ['%']);
  t.is(one(['%3A']), 'user:%253A');
  t.is(one([':']), 'user:%3A');
});

test('input 4: a NUL is escaped', (t) => {
  distinct(t, ['a\0b'], ['ab'], ['a%00b'], ['a', 'b']);
  t.is(one(['a\0b']), 'user:a%00b');
});

test('input 5: line ends and DEL are escaped', (t) => {
  distinct(t, ['a\r\nDEL x'], ['a\r\nDEL\u007fx'], ['a\nDEL x'], ['aDELx'], ['a\u2028'], ['a\u0085']);
  t.is(one(['a\r\nDEL x']), 'user:a%0D%0ADEL%20x');
});

test('input 6: braces in a part decide no cluster slot', (t) => {
  const inputs = ['{x}', 'a{b}c', '{}', '}{'];
  distinct(t, ...inputs.map((input) => [input]));
  for (const input of inputs) {
    const made = one([input]);
    t.false(/[{}]/.test(entryKey('shop', made)), 'an entry has no hash tag');
    for (const name of [tagKey('shop', made), tagKey('shop', input)]) {
      const open = name.indexOf('{');
      t.is(name.slice(open + 1, name.indexOf('}', open)), 'shop', 'the first hash tag is the namespace');
    }
  }
});

test('input 7: "*", "[a-z]", "?" and "\\*" are characters, no patterns', (t) => {
  distinct(t, ['*'], ['[a-z]'], ['?'], ['\\*'], ['a*b'], ['axb'], ['[x]'], ['x']);
  t.is(keyFromString('user:*', WHERE), 'user:%2A');
});

test('input 8: a string of a megabyte makes a short key, distinct by its last character', (t) => {
  const long = 'x'.repeat(1024 * 1024);
  distinct(t, [long], [`${long}x`], [`${long}y`], [`y${long}`]);
  for (const make of Object.values(ways)) t.true(make(long).length <= 256);
  t.true(keyFromString(long, WHERE).length <= 256);
  t.true(defaultKey('Users.find', [{ text: long }]).length <= 256);
});

test('input 9: a million ids make a million keys, and nothing is kept of them', (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  one(['warm']);
  collect();
  const before = process.memoryUsage().heapUsed;
  let wrong = 0;
  for (let i = 0; i < 1_000_000; i++) if (one([`id-${i}`]) !== `user:id-${i}`) wrong++;
  collect();
  t.is(wrong, 0);
  t.true(process.memoryUsage().heapUsed - before < 10_000_000);
});

test('input 10: lone surrogates make different keys that UTF-8 can carry', (t) => {
  distinct(t, ['\ud800'], ['\ud801'], ['\udc00'], ['\ufffd'], ['%uD800'], ['\ud800\udc00']);
  for (const input of ['\ud800', '\udc00', 'a\ud800b', '\ud800\ud800']) {
    const made = one([input]);
    t.is(Buffer.from(made).toString(), made);
  }
  t.is(one(['\ud800']), 'user:%uD800');
  t.is(keyFromString('user:\ud800', WHERE), 'user:%uD800');
});

test('input 11: composed and decomposed letters make different keys', (t) => {
  const composed = 'caf\u00e9';
  distinct(t, [composed], [composed.normalize('NFD')], ['cafe']);
  t.is(one([composed]), `user:${composed}`);
});

test('input 12: undefined, null and NaN make different keys, and no string makes theirs', (t) => {
  distinct(t, [undefined, 'x'], [null, 'x'], [Number.NaN, 'x'], ['undefined', 'x'], ['', 'x']);
  distinct(
    t,
    [null],
    [Number.NaN],
    ['null'],
    ['NaN'],
    ['undefined'],
    ['~null'],
    ['~undefined'],
    ['~NaN'],
    [''],
  );
  t.is(one([undefined]), 'user:~undefined');
  t.is(one([null]), 'user:~null');
  t.is(one([Number.NaN]), 'user:~NaN');
  t.not(defaultKey('Users.find', [[undefined]]), defaultKey('Users.find', [[null]]));
  t.not(defaultKey('Users.find', [[undefined]]), defaultKey('Users.find', [[]]));
  t.not(defaultKey('Users.find', [[,]]), defaultKey('Users.find', [[undefined]]));
});

test('input 13: { a: undefined } and {} make different default keys', (t) => {
  t.not(defaultKey('Users.find', [{ a: undefined }]), defaultKey('Users.find', [{}]));
});

test('input 14: -0 and 0 make different keys', (t) => {
  distinct(t, [-0], [0], ['~-0']);
  t.not(defaultKey('Users.find', [{ a: -0 }]), defaultKey('Users.find', [{ a: 0 }]));
});

test('input 15: a Map and an object make different default keys', (t) => {
  const keys = [new Map(), {}, new Set(), []].map((value) => defaultKey('Users.find', [value]));
  t.is(new Set(keys).size, 4);
  t.not(defaultKey('Users.find', [new Map([['a', 1]])]), defaultKey('Users.find', [{ a: 1 }]));
});

test('input 16: a Date and its ISO string make different keys', (t) => {
  const date = new Date('2026-01-02T03:04:05.678Z');
  distinct(
    t,
    [date],
    [date.toISOString()],
    [`~${date.toISOString()}`],
    [date.getTime()],
    [new Date(Number.NaN)],
  );
  t.is(one([date]), 'user:~2026-01-02T03%3A04%3A05.678Z');
});

test('input 17: 1, "1" and 1n, true and "true" make different default keys', (t) => {
  const calls: unknown[] = [1, '1', 1n, '1n', true, 'true', null, 'null'];
  t.is(new Set(calls.map((value) => defaultKey('Users.find', [value]))).size, calls.length);
});

test('input 17: in a template 42 and "42" make one key on purpose, the one that is written by hand', (t) => {
  const id = 42;
  for (const part of [id, String(id), BigInt(id)]) t.is(one([part]), keyFromString(`user:${id}`, WHERE));
  t.is(one([true]), one(['true']));
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

test('input 20: a function, a symbol, a class instance, a throwing getter and a revoked proxy are KeyErrors', (t) => {
  class User {
    readonly id = 1;
  }
  const throwing = new Proxy(
    { id: 1 },
    {
      get() {
        throw new Error('trap');
      },
    },
  );
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const byId = compileTemplate('user:{0.id}', WHERE);
  for (const input of [() => 1, Symbol('s'), new User(), throwing, proxy]) {
    t.throws(() => defaultKey('Users.find', [input]), { instanceOf: KeyError });
    t.throws(() => one([input]), { instanceOf: KeyError });
    t.throws(() => keyFromParts(['user', input], WHERE), { instanceOf: KeyError });
    t.throws(() => key`user:${input as never}`, { instanceOf: KeyError });
  }
  t.is(byId([new User()]), 'user:1');
  t.throws(() => byId([throwing]), {
    instanceOf: KeyError,
    message: /\{0\.id\}: reading 'id' threw an error/,
  });
  t.throws(() => byId([proxy]), { instanceOf: KeyError });
});

test('input 21: toJSON and toString of an argument are never called, and "[object Object]" is no key', (t) => {
  let calls = 0;
  const spy = () => {
    calls++;
    return 'user';
  };
  const inputs: readonly object[] = [
    { toJSON: spy },
    { toString: spy },
    { valueOf: spy },
    { [Symbol.toPrimitive]: spy },
    {},
    { id: 1 },
  ];
  for (const input of inputs) {
    t.throws(() => one([input]), { instanceOf: KeyError });
    t.throws(() => keyFromParts([input], WHERE), { instanceOf: KeyError });
    t.throws(() => key`user:${input as never}`, { instanceOf: KeyError });
  }
  for (const input of inputs.slice(0, 4)) {
    t.throws(() => defaultKey('Users.find', [input]), { instanceOf: KeyError });
  }
  t.is(defaultKey('Users.find', [{ id: 1 }]), 'Users.find:((id=1))');
  t.is(calls, 0);
});

test('input 22: __proto__, constructor and hasOwnProperty are ids, tags and namespaces like any other', (t) => {
  const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'prototype'];
  distinct(t, ...names.map((name) => [name]));
  for (const name of names) {
    t.is(one([name]), `user:${name}`);
    t.is(checkNamespace(name), name);
    t.is(tagKey('shop', keyFromString(name, WHERE)), `shop:tag:{shop}:${name}`);
    t.is(entryKey(name, 'x'), `${name}:cache:x`);
  }
  t.is(
    defaultKey('Users.find', [JSON.parse('{"__proto__":{"admin":1}}')]),
    'Users.find:((__proto__=(admin=1)))',
  );
  t.is(({} as Record<string, unknown>)['admin'], undefined);
});

test('input 25: a path through __proto__, constructor or prototype is refused where it is written', (t) => {
  const paths = ['{0.__proto__.x}', '{0.constructor}', '{0.a.prototype}', '{{user.__proto__.x}}'];
  for (const path of paths) {
    t.throws(() => compileTemplate(`user:${path}`, WHERE), { instanceOf: OptionsError });
  }
});

test('input 26: a template of 50 KB of braces is refused at once', (t) => {
  for (const template of ['{'.repeat(50_000), '}'.repeat(50_000), '{'.repeat(50_000) + '}'.repeat(50_000)]) {
    const error = t.throws(() => compileTemplate(template, WHERE), { instanceOf: OptionsError });
    t.true(error.message.length < 500);
  }
  t.throws(() => compileTemplate('{0}'.repeat(20_000), WHERE), { instanceOf: OptionsError });
  t.throws(() => compileTemplate(`{0.${'a.'.repeat(25_000)}`, WHERE), { instanceOf: OptionsError });
  t.is(compileTemplate('{0}:'.repeat(12_500), WHERE)(['a']).length, hashIfLong('a:'.repeat(12_500)).length);
});

test('input 27: undefined arguments at the end do not count in the default key, others do', (t) => {
  t.is(defaultKey('Users.find', []), 'Users.find:()');
  t.is(defaultKey('Users.find', [undefined, undefined]), 'Users.find:()');
  t.is(defaultKey('Users.find', ['a', undefined]), defaultKey('Users.find', ['a']));
  t.not(defaultKey('Users.find', ['a', null]), defaultKey('Users.find', ['a']));
  t.is(defaultKey('Users.find', [undefined, 'a']), 'Users.find:(undefined,"a")');
  t.is(defaultKey('Users.find', ['a', 'b']), 'Users.find:("a","b")');
  t.not(defaultKey('Users.find', ['a', 'b']), defaultKey('Users.find', [['a', 'b']]));
  t.is(two(['a']), two(['a', undefined]));
});

// --- Names in Redis ---

test('every kind of name has its own place under the namespace', (t) => {
  t.is(entryKey('shop', 'user:42'), 'shop:cache:user:42');
  t.is(tagKey('shop', 'org:7'), 'shop:tag:{shop}:org:7');
  t.is(clearKey('shop'), 'shop:clear:{shop}');
  t.is(tagChangesKey('shop'), 'shop:tag-changes:{shop}');
});

test('no two names are one, whatever the namespaces, keys and tags', (t) => {
  const segment = fc.constantFrom('a', 'cache', 'tag', 'clear', 'tag-changes', 'lock', '', 'a.b');
  const joined = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join(':'));
  const namespace = joined.filter((text) => {
    try {
      return checkNamespace(text) === text;
    } catch {
      return false;
    }
  });
  const name = fc.oneof(
    fc.tuple(fc.constant('entry'), namespace, joined),
    fc.tuple(fc.constant('tag'), namespace, joined),
    fc.tuple(fc.constant('clear'), namespace, fc.constant('')),
    fc.tuple(fc.constant('tag-changes'), namespace, fc.constant('')),
  );
  const inRedis = ([kind, space, text]: [string, string, string]) => {
    if (kind === 'entry') return entryKey(space, text);
    if (kind === 'tag') return tagKey(space, text);
    return kind === 'clear' ? clearKey(space) : tagChangesKey(space);
  };
  fc.assert(
    fc.property(name, name, (a, b) => (inRedis(a) === inRedis(b)) === (a.join('|') === b.join('|'))),
    { numRuns: 20_000 },
  );
  t.pass();
});

test('a namespace is 1 to 64 plain characters', (t) => {
  for (const namespace of ['shop', 'shop:eu', 'a', 'cache', 'Shop_1.0/eu-west', 'x'.repeat(64)]) {
    t.is(checkNamespace(namespace), namespace);
  }
  const bad: unknown[] = [
    '',
    'a b',
    'a{b}',
    '*',
    'é',
    'a\n',
    'x'.repeat(65),
    'x'.repeat(1e6),
    5,
    null,
    undefined,
    {},
  ];
  for (const namespace of bad) {
    const error = t.throws(() => checkNamespace(namespace as string), { instanceOf: OptionsError });
    t.regex(error.message, /^namespace is a string of 1 to 64 characters .* given/);
    t.true(error.message.length < 300);
  }
});

test('a namespace with the word for a kind after a colon is refused, with another in its place', (t) => {
  t.throws(() => checkNamespace('shop:cache'), { instanceOf: OptionsError, message: /'shop-cache'/ });
  for (const kind of ['tag', 'clear', 'tag-changes', 'lock', 'rate', 'session', 'queue']) {
    t.throws(() => checkNamespace(`shop:${kind}:eu`), { instanceOf: OptionsError });
  }
  t.is(checkNamespace('shop:cached'), 'shop:cached');
});

// --- Parts ---

test('a part of plain characters is itself', (t) => {
  for (const part of [
    '42',
    'abc123',
    'order-processing',
    '192.168.1.1',
    'a@b.example',
    'a_b',
    '日本',
    '\u{1f600}',
    '',
  ]) {
    t.is(renderPart(part, WHERE), part);
  }
  t.is(renderPart(42, WHERE), '42');
  t.is(renderPart(-1.5, WHERE), '-1.5');
  t.is(renderPart(12n, WHERE), '12');
  t.is(renderPart(false, WHERE), 'false');
});

test('every character with a meaning is escaped in a part', (t) => {
  t.is(
    renderPart('%:~"{}*?[]\\\' \t\u007f\u0085\u2028', WHERE),
    '%25%3A%7E%22%7B%7D%2A%3F%5B%5D%5C%27%20%09%7F%85%u2028',
  );
});

test('a value that no string may be confused with begins with ~', (t) => {
  t.is(renderPart(null, WHERE), '~null');
  t.is(renderPart(undefined, WHERE), '~undefined');
  t.is(renderPart(Number.NaN, WHERE), '~NaN');
  t.is(renderPart(Number.POSITIVE_INFINITY, WHERE), '~Infinity');
  t.is(renderPart(Number.NEGATIVE_INFINITY, WHERE), '~-Infinity');
  t.is(renderPart(-0, WHERE), '~-0');
  t.is(renderPart(new Date(0), WHERE), '~1970-01-01T00%3A00%3A00.000Z');
  t.is(renderPart(new Date(Number.NaN), WHERE), '~invalid-date');
  t.is(renderPart('~null', WHERE), '%7Enull');
});

test('a part that is no scalar is a KeyError that says where, what came and what to do', (t) => {
  const error = t.throws(() => one([{ id: 1 }]), { instanceOf: KeyError, code: 'E_KEY' });
  t.is(
    error.message,
    "key of @Cached on Users.find ('user:{0}'): {0} is a string, a number, a bigint, a boolean, a Date, null or " +
      "undefined, and a plain object was given. Take a property of it: '{0.id}' in a template, or a key function " +
      'that returns its parts.',
  );
  t.throws(() => one([['a']]), { message: /an array was given/ });
  t.throws(() => one([new Map()]), { message: /an instance of Map was given/ });
  t.throws(() => keyFromParts(['user', () => 1], 'getOrSet'), {
    message: /^getOrSet: part 2 of the key is .* a function/,
  });
});

// --- Templates ---

test('a template fills positions and paths', (t) => {
  const order = compileTemplate('order:{0.customer.id}:{1}/{0.lines.0.sku}', WHERE);
  t.is(order([{ customer: { id: 7 }, lines: [{ sku: 'A-1' }] }, 'eu']), 'order:7:eu/A-1');
  t.is(compileTemplate('users', WHERE)(['ignored']), 'users');
  t.is(compileTemplate('{0}', WHERE)(['a']), 'a');
  t.is(compileTemplate('len:{0.length}', WHERE)(['abc']), 'len:3');
  t.is(compileTemplate('{1}:{0}:{1}', WHERE)(['a', 'b']), 'b:a:b');
  t.is(compileTemplate('user list:{0}', WHERE)(['a']), 'user%20list:a');
});

test('a path through null, undefined or nothing ends as undefined', (t) => {
  const deep = compileTemplate('user:{0.a.b}', WHERE);
  for (const argument of [undefined, null, {}, { a: null }, { a: {} }, 5])
    t.is(deep([argument]), 'user:~undefined');
  t.is(deep([]), 'user:~undefined');
});

test("a path reads getters of the object's class", (t) => {
  class Entity {
    readonly #id = 7;
    get id(): number {
      return this.#id;
    }
  }
  class User extends Entity {}
  t.is(compileTemplate('user:{0.id}', WHERE)([new User()]), 'user:7');
});

test("a path calls no method and reads nothing that Object.prototype or a prototype's data gives", (t) => {
  class User {
    name(): string {
      throw new Error('called');
    }
  }
  for (const path of ['toString', 'valueOf', 'hasOwnProperty']) {
    t.throws(() => compileTemplate(`user:{0.${path}}`, WHERE)([{}]), {
      instanceOf: KeyError,
      message: /is inherited/,
    });
  }
  t.throws(() => compileTemplate('user:{0.name}', WHERE)([new User()]), {
    instanceOf: KeyError,
    message: /is inherited/,
  });
  t.throws(() => compileTemplate('user:{0.id}', WHERE)([Object.create({ id: 1 })]), { instanceOf: KeyError });
  t.throws(() => compileTemplate('user:{0.at}', WHERE)(['abc']), { instanceOf: KeyError });
});

test('a path does not read a getter that somebody put on Object.prototype', (t) => {
  const tenant = compileTemplate('user:{0.tenant}', WHERE);
  const polluted: unknown = runInNewContext(
    `Object.defineProperty(Object.prototype, 'tenant', { get: () => 'a' }); [{}, { __proto__: null, tenant: 'b' }]`,
  );
  const [inherits, owns] = polluted as [object, object];
  t.throws(() => tenant([inherits]), { instanceOf: KeyError, message: /is inherited/ });
  t.is(tenant([owns]), 'user:b');
  t.is(tenant([{}]), 'user:~undefined');
});

test('a throwing getter is a KeyError with its cause', (t) => {
  const failure = new Error('no such column');
  const user = {
    get id(): string {
      throw failure;
    },
  };
  const error = t.throws(() => compileTemplate('user:{0.id}', WHERE)([user]), { instanceOf: KeyError });
  t.is(error.cause, failure);
});

const malformed: readonly (readonly [template: unknown, reason: RegExp])[] = [
  ['', /an empty string was given/],
  [5, /and 5 was given/],
  [undefined, /undefined was given/],
  ['user:{0', /a '\{' without a '\}' after it/],
  ['user:0}', /a '\}' without a '\{' before it/],
  ['user:{0}}', /a '\}' without a '\{' before it/],
  ['user:{{0}}', /braces cannot be escaped/],
  ['user:{}', /does not begin with a position/],
  ['user:{id}', /Parameter names do not exist at run time: \{0\} is the first argument/],
  ['user:{user.id}', /Parameter names do not exist/],
  ['user:{-1}', /does not begin with a position/],
  ['user:{ 0 }', /does not begin with a position/],
  ['user:{01}', /does not begin with a position/],
  ['user:{1000}', /does not begin with a position/],
  ['user:{0.}', /the property name ''/],
  ['user:{0..id}', /the property name ''/],
  ['user:{0.a b}', /the property name 'a b'/],
  ['user:{0.id()}', /the property name 'id\(\)'/],
  ["user:{0['id']}", /does not begin with a position/],
  ['user:{0.__proto__}', /leads to '__proto__'/],
  ['user:{0.a.constructor.b}', /leads to 'constructor'/],
  ['user:{0.prototype}', /leads to 'prototype'/],
  ['user:\n{0}', /a control character/],
  ['user:\0', /a control character/],
  ['user:{0}{1}', /nothing between placeholder 1 and placeholder 2; put ':' between them/],
  ['user:{0}:{1}{2}', /nothing between placeholder 2 and placeholder 3; put ':' between them/],
  ['user:{0}a{1}', /put ':' between them/],
  ['user:{0}1{1}', /put ':' between them/],
  ['user:{0}_{1}', /put ':' between them/],
  ['user:{0}%{1}', /put ':' between them/],
  ['user:{0}~{1}', /put ':' between them/],
  ['user:{0} {1}', /put ':' between them/],
  ['user:{0}*{1}', /put ':' between them/],
  ['user:{0}é{1}', /put ':' between them/],
  ['user:{0}\u{1f600}{1}', /put ':' between them/],
];

for (const [template, reason] of malformed) {
  test(`the template ${JSON.stringify(template)} is refused where it is written`, (t) => {
    const error = t.throws(() => compileTemplate(template as string, WHERE), {
      instanceOf: OptionsError,
      code: 'E_OPTIONS',
    });
    t.true(error.message.startsWith(WHERE));
    t.regex(error.message, reason);
  });
}

test('a separator other than : is escaped in the part before it', (t) => {
  t.is(dashed(['a-b', 'c']), 'user:a%2Db-c');
  t.is(dashed(['a', 'b-c']), 'user:a-b-c');
  t.is(dashed([-5, -5]), 'user:%2D5--5');
  t.is(dashed([Number.NEGATIVE_INFINITY, 1]), 'user:~%2DInfinity-1');
});

const SEPARATORS = ':-./,;|@#&=+!$^<>()"';
const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...SEPARATORS),
    fc.constantFrom(
      'a',
      '%',
      '~',
      '2',
      'D',
      ' ',
      '{',
      '}',
      '*',
      '\\',
      "'",
      '\0',
      '\n',
      '\ud800',
      '\udc00',
      'é',
    ),
  ),
  maxLength: 6,
});
const part: fc.Arbitrary<KeyPart> = fc.oneof(
  { weight: 6, arbitrary: hostile },
  fc.constantFrom<KeyPart>(
    null,
    undefined,
    Number.NaN,
    -0,
    new Date(0),
    new Date(Number.NaN),
    -1.5,
    1e-7,
    true,
    5n,
  ),
);
const identity = (parts: readonly KeyPart[]) =>
  parts.map((value) => {
    if (value instanceof Date) return `date ${value.getTime()}`;
    if (value === null || value === undefined) return `nothing ${String(value)}`;
    if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
      return `odd ${1 / value}`;
    return `text ${String(value)}`;
  });

test('a template with three holes and any separators makes one key only for one list of parts', (t) => {
  const separator = fc
    .tuple(fc.constantFrom(...SEPARATORS), fc.constantFrom('', 'a', ':', ' ', '%', '~null'))
    .map((s) => s.join(''));
  fc.assert(
    fc.property(
      separator,
      separator,
      fc.array(part, { minLength: 3, maxLength: 3 }),
      hostile,
      fc.nat(2),
      (s1, s2, parts, other, at) => {
        const make = compileTemplate(`x:{0}${s1}{1}${s2}{2}`, WHERE);
        const others = parts.with(at, other);
        const same = JSON.stringify(identity(parts)) === JSON.stringify(identity(others));
        return (make(parts) === make(others)) === same;
      },
    ),
    { numRuns: 5_000 },
  );
  t.pass();
});

test('text that moves over a separator makes another key', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...SEPARATORS), hostile, hostile, hostile, (separator, a, b, c) => {
      const make = compileTemplate(`x:{0}${separator}{1}`, WHERE);
      return make([a + separator + b, c]) !== make([a, b + separator + c]);
    }),
    { numRuns: 5_000 },
  );
  t.pass();
});

test('parts make one key only for one list of parts', (t) => {
  const parts = fc
    .array(part, { minLength: 1, maxLength: 3 })
    .filter((list) => list.length > 1 || list[0] !== '');
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const same = JSON.stringify(identity(a)) === JSON.stringify(identity(b));
      return (keyFromParts(a, WHERE) === keyFromParts(b, WHERE)) === same;
    }),
    { numRuns: 10_000 },
  );
  t.pass();
});

test('no key holds a brace, a pattern, a space, a control character or half a character', (t) => {
  fc.assert(
    fc.property(part, part, fc.string({ unit: 'binary', maxLength: 400 }), (a, b, any) => {
      const made = [
        ...Object.values(ways).flatMap((make) => [make(a), make(a, b), make(any)]),
        keyFromString(`x${any}`, WHERE),
        keyFromString(`x${String(a)}`, WHERE),
        compileTemplate(`x ${any.replace(/[{}\p{Cc}]/gu, '')}:{0}`, WHERE)([b]),
      ];
      return made.every((text) => text.length <= 256 && !STANDS_IN_NO_KEY.test(text));
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

// --- Keys as strings, parts and tagged templates ---

test('an ordinary id makes the same key by hand, by template, by parts and by tagged template', (t) => {
  const ordinary = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'abcXYZ0189-_.@/+,;|é ') }),
    fc.uuid(),
    fc.integer(),
    fc.bigInt(),
  );
  fc.assert(
    fc.property(ordinary, (id) => {
      const expected = one([id]);
      return (
        keyFromString(`user:${id}`, WHERE) === expected &&
        keyFromParts(['user', id], WHERE) === expected &&
        key`user:${id}` === expected
      );
    }),
  );
  t.is(one([42]), 'user:42');
});

test('an id with a colon makes another key by hand than by template; the tagged template makes the same', (t) => {
  const id = 'a:b';
  t.is(one([id]), 'user:a%3Ab');
  t.is(key`user:${id}`, 'user:a%3Ab');
  t.is(keyFromParts(['user', id], WHERE), 'user:a%3Ab');
  t.is(keyFromString(`user:${id}`, WHERE), 'user:a:b');
});

test('the key of a key is the same key', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 400 }),
      hostile,
      part,
      (text, odd, value) => {
        const made = [
          keyFromString(text, WHERE),
          keyFromString(`x${odd}`, WHERE),
          ...Object.values(ways).map((make) => make(value)),
        ];
        return made.every((rendered) => keyFromString(rendered, WHERE) === rendered);
      },
    ),
    { numRuns: 2_000 },
  );
  t.pass();
});

test('a key function may return a string or an array of parts, and nothing else', (t) => {
  t.is(logicalKey('user:42', 'getOrSet'), 'user:42');
  t.is(logicalKey(['user', 42], 'getOrSet'), 'user:42');
  for (const wrong of [undefined, null, 42, {}, () => 'user', Promise.resolve('user')]) {
    t.throws(() => logicalKey(wrong as never, 'getOrSet'), {
      instanceOf: KeyError,
      message: /^getOrSet: a key is a string or an array/,
    });
  }
});

test('an empty key is refused', (t) => {
  const empty = { instanceOf: KeyError, message: /the key is an empty string/ };
  t.throws(() => keyFromString('', WHERE), empty);
  t.throws(() => keyFromParts([], WHERE), empty);
  t.throws(() => keyFromParts([''], WHERE), empty);
  t.throws(() => compileTemplate('{0}', WHERE)(['']), empty);
  t.throws(() => key``, empty);
});

test('a tagged template keeps the rules of templates', (t) => {
  t.is(key`users`, 'users');
  t.is(key`user:${'a-b'}-${'c'}`, dashed(['a-b', 'c']));
  t.is(key`user:${null}`, 'user:~null');
  t.is(key`user list:${'a'}`, compileTemplate('user list:{0}', WHERE)(['a']));
  t.throws(() => key`user:${'a'} ${'b'}`, { instanceOf: KeyError, message: /put ':' between them/ });
  t.throws(() => key`user:${'a'}${'b'}`, { instanceOf: KeyError, message: /put ':' between them/ });
  t.throws(() => key`user:${'a'}_${'b'}`, { instanceOf: KeyError, message: /put ':' between them/ });
  t.throws(() => key`user:{0}`, { instanceOf: KeyError, message: /Substitutions are written \$\{id\}/ });
  t.throws(() => key`user:\u${'a'}`, { instanceOf: KeyError, message: /invalid escape sequence/ });
});

// --- Long keys ---

test('a key of 256 units stays, one of 257 is its beginning and the SHA-256 of the whole', (t) => {
  const whole = `user:${'x'.repeat(251)}`;
  t.is(hashIfLong(whole), whole);
  const long = `${whole}y`;
  const digest = createHash('sha256').update(long).digest('base64url');
  t.is(hashIfLong(long), `${long.slice(0, 80)}~${digest}`);
  t.is(hashIfLong(hashIfLong(long)), hashIfLong(long));
});

test('a long key is the same in every way to it', (t) => {
  const id = 'x'.repeat(300);
  t.is(keyFromString(`user:${id}`, WHERE), one([id]));
  t.is(keyFromParts(['user', id], WHERE), one([id]));
  t.is(key`user:${id}`, one([id]));
  t.not(one([id]), one([`${id}x`]));
});

test('the beginning of a long key ends with no half of a character or of an escape', (t) => {
  for (let shift = 0; shift < 12; shift++) {
    for (const unit of ['\u{1f600}', ':', '\ud800', '\u{1f600}\ud800', '%']) {
      const made = one(['x'.repeat(60 + shift) + unit.repeat(200)]);
      const [beginning, digest] = made.split('~') as [string, string];
      t.is(digest.length, 43);
      t.true(beginning.length > 70 && beginning.length <= 80);
      t.notRegex(beginning, /\p{Cs}/u);
      t.notRegex(beginning, /%(?!25|3A|uD800)/);
    }
  }
});

test('no part can be written so that its key is the long form of another', (t) => {
  const long = one(['x'.repeat(300)]);
  t.not(one([long.slice('user:'.length)]), long);
});

test('a method name cannot be mistaken for the key of another method', (t) => {
  t.not(defaultKey('Users.find:("a")', []), defaultKey('Users.find', ['a']));
  t.is(defaultKey('Users.find:("a")', []), 'Users.find:%28"a"):()');
  t.is(defaultKey('billing:Users.find', ['a']), 'billing:Users.find:("a")');
  t.is(defaultKey('Admins/Users.find\n', []), 'Admins/Users.find%0A:()');
  t.not(defaultKey('Users.find', []), defaultKey('Users.findAll', []));
  t.is(defaultKey('Users.find', ['42', { size: 20, page: 1 }]), 'Users.find:("42",(page=1,size=20))');
});

test('a template cannot make a default key from what an argument holds', (t) => {
  t.not(compileTemplate('Users.find:{0}', WHERE)(['("a")']), defaultKey('Users.find', ['a']));
});
