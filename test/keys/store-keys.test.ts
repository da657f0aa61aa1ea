import test from 'ava';
import fc from 'fast-check';
import { OptionsError } from '../../src/core/shared/errors.js';
import { checkNamespace, clearKey, entryKey, tagChangesKey, tagKey } from '../../src/core/keys/store-keys.js';

test('every kind of store key has its own prefix under the namespace', (t) => {
  t.is(entryKey('shop', 'user:42'), 'shop:cache:user:42');
  t.is(tagKey('shop', 'org:7'), 'shop:tag:{shop}:org:7');
  t.is(clearKey('shop'), 'shop:clear:{shop}');
  t.is(tagChangesKey('shop'), 'shop:tag-changes:{shop}');
});

test('Property: two store keys are equal only if namespace, kind and name are', (t) => {
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

test('a namespace has 1 to 64 plain characters', (t) => {
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

test('a namespace that ends in the name of a kind of key is refused; the error suggests another', (t) => {
  t.throws(() => checkNamespace('shop:cache'), { instanceOf: OptionsError, message: /'shop-cache'/ });
  for (const kind of ['tag', 'clear', 'tag-changes', 'lock', 'rate', 'session', 'queue']) {
    t.throws(() => checkNamespace(`shop:${kind}:eu`), { instanceOf: OptionsError });
  }
  t.is(checkNamespace('shop:cached'), 'shop:cached');
});
