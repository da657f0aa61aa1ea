import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { KeyError } from '../../src/core/shared/errors.js';
import { hashIfLong, keyFromParts, keyFromString, logicalKey, renderPart } from '../../src/core/keys/key.js';
import { checkNamespace, entryKey, tagKey } from '../../src/core/keys/store-keys.js';
import { compileTemplate } from '../../src/core/keys/key-template.js';
import { defaultKey } from '../../src/core/keys/argument-key.js';
import { key } from '../../src/core/keys/key-tag.js';
import { STANDS_IN_NO_KEY, WHERE, one, two, ways, distinct, hostile, part, identity } from './every-way.js';

test('input 1: ("a:b", "c") and ("a", "b:c") make different keys', (t) => {
  distinct(t, ['a:b', 'c'], ['a', 'b:c'], ['a:b:c', ''], ['', 'a:b:c'], ['a', 'b', 'c']);
  t.is(two(['a:b', 'c']), 'user:a%3Ab:c');
});

test('input 2: "a|b" is an ordinary part', (t) => {
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

test('input 6: braces in a part do not set the cluster slot (no CROSSSLOT)', (t) => {
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

test('input 7: "*", "[a-z]", "?" and "\\*" are characters, not patterns', (t) => {
  distinct(t, ['*'], ['[a-z]'], ['?'], ['\\*'], ['a*b'], ['axb'], ['[x]'], ['x']);
  t.is(keyFromString('user:*', WHERE), 'user:%2A');
});

test('input 8: a string of a megabyte makes a short key that still depends on its last character', (t) => {
  const long = 'x'.repeat(1024 * 1024);
  distinct(t, [long], [`${long}x`], [`${long}y`], [`y${long}`]);
  for (const make of Object.values(ways)) t.true(make(long).length <= 256);
  t.true(keyFromString(long, WHERE).length <= 256);
  t.true(defaultKey('Users.find', [{ text: long }]).length <= 256);
});

test('input 9: a million ids make a million keys and leave no memory behind', (t) => {
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

test('input 10: lone surrogates make different keys that are valid UTF-8', (t) => {
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

test('input 12: undefined, null and NaN make different keys, which no string makes', (t) => {
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

test('input 14: -0 and 0 make different keys', (t) => {
  distinct(t, [-0], [0], ['~-0']);
  t.not(defaultKey('Users.find', [{ a: -0 }]), defaultKey('Users.find', [{ a: 0 }]));
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

test('input 21: toJSON and toString of an argument are never called, and no key contains "[object Object]"', (t) => {
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

test('input 22: __proto__, constructor and hasOwnProperty are ordinary ids, tags and namespaces', (t) => {
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

test('a part of plain characters stays as it is', (t) => {
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

test('special characters are escaped in a part', (t) => {
  t.is(
    renderPart('%:~"{}*?[]\\\' \t\u007f\u0085\u2028', WHERE),
    '%25%3A%7E%22%7B%7D%2A%3F%5B%5D%5C%27%20%09%7F%85%u2028',
  );
});

test('the text of a value that is not a string starts with ~', (t) => {
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

test('a part that is not a scalar is a KeyError with place, value and advice', (t) => {
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

test('Property: different lists of parts make different keys', (t) => {
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

test('Property: no key contains a brace, a pattern, a space, a control character or a lone surrogate', (t) => {
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

test('Property: an ordinary id makes the same key by hand, by template, by parts and by tagged template', (t) => {
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

test('an id with a colon makes another key by hand than by template or tagged template', (t) => {
  const id = 'a:b';
  t.is(one([id]), 'user:a%3Ab');
  t.is(key`user:${id}`, 'user:a%3Ab');
  t.is(keyFromParts(['user', id], WHERE), 'user:a%3Ab');
  t.is(keyFromString(`user:${id}`, WHERE), 'user:a:b');
});

test('Property: a key that is passed as a key stays the same', (t) => {
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

test('a key function returns a string or an array of parts', (t) => {
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

test('a key of 256 characters stays; one of 257 becomes its first 80 characters and a SHA-256', (t) => {
  const whole = `user:${'x'.repeat(251)}`;
  t.is(hashIfLong(whole), whole);
  const long = `${whole}y`;
  const digest = createHash('sha256').update(long).digest('base64url');
  t.is(hashIfLong(long), `${long.slice(0, 80)}~${digest}`);
  t.is(hashIfLong(hashIfLong(long)), hashIfLong(long));
});

test('a long key is the same by hand, by template, by parts and by tagged template', (t) => {
  const id = 'x'.repeat(300);
  t.is(keyFromString(`user:${id}`, WHERE), one([id]));
  t.is(keyFromParts(['user', id], WHERE), one([id]));
  t.is(key`user:${id}`, one([id]));
  t.not(one([id]), one([`${id}x`]));
});

test('the prefix of a long key does not split a character or an escape', (t) => {
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

test('no part makes a key that equals the hashed form of another', (t) => {
  const long = one(['x'.repeat(300)]);
  t.not(one([long.slice('user:'.length)]), long);
});
