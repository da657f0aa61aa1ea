import test from 'ava';
import fc from 'fast-check';
import { KeyContext, withContext, type ContextParts } from '../../src/core/keys/context.js';
import { keyFromParts, keyFromString } from '../../src/core/keys/key.js';
import { entryKey, lockKey, rateSubject, tagKey } from '../../src/core/keys/store-keys.js';
import { MissingContextError, OptionsError } from '../../src/index.js';
import { hostile, identity, part } from './every-way.js';

const tenant = KeyContext.of(['tenant'])!;
const both = KeyContext.of(['tenant', 'locale'])!;

/** A key in a context. */
const keyIn = (parts: ContextParts, key: string, context = tenant): string =>
  withContext(parts, () => context.read('getOrSet').key(key));

test('a key has the parts, in the order of their names', (t) => {
  const parts = { tenant: 'acme', locale: 'de', user: '7' };
  t.is(keyIn(parts, 'user:42'), '[tenant=acme]user:42');
  t.is(keyIn(parts, 'user:42', both), '[locale=de,tenant=acme]user:42');
  t.is(
    keyIn(parts, 'user:42', KeyContext.of(['locale', 'tenant', 'locale'])),
    '[locale=de,tenant=acme]user:42',
  );
});

test('a value has the same text as in a template', (t) => {
  t.is(keyIn({ tenant: 42 }, 'a'), '[tenant=42]a');
  t.is(keyIn({ tenant: 42n }, 'a'), '[tenant=42]a');
  t.is(keyIn({ tenant: false }, 'a'), '[tenant=false]a');
  t.is(keyIn({ tenant: 0 }, 'a'), '[tenant=0]a');
  t.is(keyIn({ tenant: ']a,b=:{x}*' }, 'a'), '[tenant=%5Da%2Cb=%3A%7Bx%7D%2A]a');
});

for (const [what, parts] of Object.entries({
  'no parts': undefined,
  'another part': { locale: 'de' },
  undefined: { tenant: undefined },
  'an empty string': { tenant: '' },
  null: { tenant: null },
  NaN: { tenant: Number.NaN },
  'an object': { tenant: { id: 'acme' } },
  'an inherited property': Object.create({ tenant: 'acme' }) as object,
})) {
  test(`a part that identifies nothing is refused: ${what}`, (t) => {
    const read = () => tenant.read(() => '@Cached on Users.find').key('user:42');
    const error = t.throws(() => (parts === undefined ? read() : withContext(parts as ContextParts, read)), {
      instanceOf: MissingContextError,
    });
    t.is(error.code, 'E_MISSING_CONTEXT');
    t.is(error.part, 'tenant');
    t.regex(
      error.message,
      /^@Cached on Users\.find needs the part 'tenant' of the context in its keys, and it is /,
    );
    t.regex(error.message, /withContext\(\{ tenant: \.\.\. \}, \(\) => \.\.\.\).*context: false/);
  });
}

test('the error says what the value is', (t) => {
  const messageOf = (value: unknown): string =>
    t.throws(() => keyIn({ tenant: value } as ContextParts, 'a')).message;
  t.regex(messageOf(undefined), /and it is not set\./);
  t.regex(messageOf(''), /and it is an empty string\./);
  t.regex(messageOf(null), /and it is null\./);
  t.regex(messageOf(Number.NaN), /and it is NaN\./);
});

test('a name of Object.prototype is a part like any other', (t) => {
  const context = KeyContext.of(['constructor', '__proto__'])!;
  t.throws(() => keyIn({}, 'a', context), { instanceOf: MissingContextError });
  const parts = Object.fromEntries([
    ['constructor', 'x'],
    ['__proto__', 'y'],
  ]);
  t.is(keyIn(parts, 'a', context), '[__proto__=y,constructor=x]a');
});

test('a nested withContext keeps the parts of the outer one, replaces those it names, and removes undefined ones', (t) => {
  withContext({ tenant: 'acme', locale: 'de' }, () => {
    t.is(keyIn({ locale: 'en' }, 'a', both), '[locale=en,tenant=acme]a');
    t.throws(() => keyIn({ tenant: undefined }, 'a', both), { instanceOf: MissingContextError });
    t.is(both.read('get').key('a'), '[locale=de,tenant=acme]a');
  });
  t.throws(() => tenant.read('get'), { instanceOf: MissingContextError });
});

test('withContext refuses anything but an object', (t) => {
  for (const wrong of [undefined, null, 'acme', ['acme']]) {
    t.throws(() => withContext(wrong as never, () => 1), {
      instanceOf: OptionsError,
      message: /tenant: 'acme'/,
    });
  }
});

test('the parts of a decorator are in its keys, and not in its tags', (t) => {
  const own = KeyContext.for(tenant, ['locale'])!;
  withContext({ tenant: 'acme', locale: 'de' }, () => {
    const parts = own.read('get');
    t.is(parts.key('price:1'), '[locale=de,tenant=acme]price:1');
    t.deepEqual(parts.tags(['prices']), ['[tenant=acme]prices']);
    t.deepEqual(KeyContext.for(undefined, ['locale'])!.read('get').tags(['prices']), ['prices']);
  });
  t.is(KeyContext.for(tenant, false), undefined);
  t.is(KeyContext.for(tenant, undefined), tenant);
  t.is(KeyContext.for(undefined, []), undefined);
});

test('no two pairs of a context and a key have one name in the store', (t) => {
  const value = fc.oneof(
    hostile.filter((text) => text !== ''),
    fc.constantFrom<string | number>('acme', 7, -0),
  );
  const context = fc.oneof(
    fc.record({ tenant: value }),
    fc.record({ tenant: value, locale: value }),
    fc.constant({}),
  );
  const key = fc.oneof(
    fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ({ parts, text: ['k', ...parts] })),
    hostile.map((text) => ({ parts: [text], text: `k${text}` })),
    // A key by hand that tries to look like one with a context.
    fc.constantFrom('[tenant=acme]k', '[locale=a,tenant=acme]k:a').map((text) => ({ parts: [text], text })),
  );
  const nameOf = (parts: ContextParts, text: string | readonly unknown[]): string => {
    const plain = typeof text === 'string' ? keyFromString(text, 'get') : keyFromParts(text, 'get');
    const declared = KeyContext.of(Object.keys(parts));
    return declared === undefined ? plain : keyIn(parts, plain, declared);
  };
  /** What the context and the key stand for; keys of strings and of parts are compared by their text. */
  const idOf = (parts: ContextParts, text: string | readonly unknown[]): string =>
    JSON.stringify([
      identity(Object.values(parts)),
      Object.keys(parts),
      typeof text === 'string' ? keyFromString(text, 'get') : keyFromParts(text, 'get'),
    ]);
  fc.assert(
    fc.property(context, key, context, key, (a, { text: left }, b, { text: right }) => {
      const [one, other] = [nameOf(a, left), nameOf(b, right)];
      const isSame = idOf(a, left) === idOf(b, right);
      for (const name of [entryKey, tagKey, lockKey, rateSubject]) {
        t.is(name('shop', one) === name('shop', other), isSame, `${one} | ${other}`);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a long value and a long key are shortened, and stay different', (t) => {
  const long = 'x'.repeat(400);
  const keys = [
    keyIn({ tenant: long }, 'a'),
    keyIn({ tenant: `${long}y` }, 'a'),
    keyIn({ tenant: long }, 'b'),
    keyIn({ tenant: 'acme' }, keyFromParts(['user', long], 'get')),
    keyIn({ tenant: 'acme' }, keyFromParts(['user', `${long}y`], 'get')),
    keyIn({ tenant: 'acm' }, keyFromParts(['user', long], 'get')),
    keyIn({ tenant: 'acme' }, 'k'.repeat(250)),
    keyIn({ tenant: 'acm' }, 'k'.repeat(250)),
  ];
  t.is(new Set(keys).size, keys.length);
  for (const key of keys) t.true(key.length <= 256);
});
