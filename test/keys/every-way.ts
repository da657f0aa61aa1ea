import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { keyFromParts, type KeyPart } from '../../src/core/keys/key.js';
import { compileTemplate } from '../../src/core/keys/key-template.js';
import { defaultKey } from '../../src/core/keys/argument-key.js';
import { key } from '../../src/core/keys/key-tag.js';

export const STANDS_IN_NO_KEY = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp} '*?[\]\\{}]/u;

export const WHERE = 'key of @Cached on Users.find';

export const one = compileTemplate('user:{0}', WHERE);

export const two = compileTemplate('user:{0}:{1}', WHERE);

export const dashed = compileTemplate('user:{0}-{1}', WHERE);

/** Every way from one or two scalars to a key. */
export const ways: Readonly<Record<string, (...args: KeyPart[]) => string>> = {
  template: (...args) => (args.length === 1 ? one(args) : two(args)),
  'template with another separator': (...args) => (args.length === 1 ? one(args) : dashed(args)),
  parts: (...args) => keyFromParts(['user', ...args], WHERE),
  'tagged template': (...args) =>
    args.length === 1 ? key`user:${args[0]}` : key`user:${args[0]}:${args[1]}`,
  'default key': (...args) => defaultKey('Users.find', args),
};

/** Each list of arguments has its own key, in every way, and no key holds what has a meaning to Redis. */
export function distinct(t: ExecutionContext, ...calls: readonly KeyPart[][]): void {
  for (const [way, make] of Object.entries(ways)) {
    const keys = calls.map((args) => make(...args));
    t.is(new Set(keys).size, calls.length, `${way}: ${keys.join(' | ')}`);
    for (const made of keys) t.notRegex(made, STANDS_IN_NO_KEY, way);
  }
}

export const SEPARATORS = ':-./,;|@#&=+!$^<>()"';

export const hostile = fc.string({
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

export const part: fc.Arbitrary<KeyPart> = fc.oneof(
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

export const identity = (parts: readonly KeyPart[]) =>
  parts.map((value) => {
    if (value instanceof Date) return `date ${value.getTime()}`;
    if (value === null || value === undefined) return `nothing ${String(value)}`;
    if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
      return `odd ${1 / value}`;
    return `text ${String(value)}`;
  });
