import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { KeyError, OptionsError } from '../../src/core/shared/errors.js';
import { hashIfLong, keyFromString } from '../../src/core/keys/key.js';
import { compileTemplate } from '../../src/core/keys/key-template.js';
import { defaultKey } from '../../src/core/keys/argument-key.js';
import { WHERE, one, dashed, SEPARATORS, hostile, part, identity } from './every-way.js';

test('input 17: in a template 42 and "42" make the same key on purpose', (t) => {
  const id = 42;
  for (const part of [id, String(id), BigInt(id)]) t.is(one([part]), keyFromString(`user:${id}`, WHERE));
  t.is(one([true]), one(['true']));
});

test('input 25: a path through __proto__, constructor or prototype is refused at definition', (t) => {
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

test('a template fills positions and paths', (t) => {
  const order = compileTemplate('order:{0.customer.id}:{1}/{0.lines.0.sku}', WHERE);
  t.is(order([{ customer: { id: 7 }, lines: [{ sku: 'A-1' }] }, 'eu']), 'order:7:eu/A-1');
  t.is(compileTemplate('users', WHERE)(['ignored']), 'users');
  t.is(compileTemplate('{0}', WHERE)(['a']), 'a');
  t.is(compileTemplate('len:{0.length}', WHERE)(['abc']), 'len:3');
  t.is(compileTemplate('{1}:{0}:{1}', WHERE)(['a', 'b']), 'b:a:b');
  t.is(compileTemplate('user list:{0}', WHERE)(['a']), 'user%20list:a');
});

test('a path through null, undefined or a missing property is undefined', (t) => {
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

test('a path calls no method and reads no data property of a prototype', (t) => {
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

test('a path does not read a getter of Object.prototype (prototype pollution)', (t) => {
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
  test(`the template ${JSON.stringify(template)} is refused at definition`, (t) => {
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

test('Property: a template with three placeholders and any separators makes different keys for different parts', (t) => {
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

test('Property: text that moves across a separator makes another key', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...SEPARATORS), hostile, hostile, hostile, (separator, a, b, c) => {
      const make = compileTemplate(`x:{0}${separator}{1}`, WHERE);
      return make([a + separator + b, c]) !== make([a, b + separator + c]);
    }),
    { numRuns: 5_000 },
  );
  t.pass();
});

test('an argument of a template cannot imitate a default key', (t) => {
  t.not(compileTemplate('Users.find:{0}', WHERE)(['("a")']), defaultKey('Users.find', ['a']));
});
