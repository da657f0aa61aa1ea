import test from 'ava';
import { OptionsError } from '../../src/core/shared/errors.js';
import {
  abortSignal,
  callback,
  checkNames,
  defaultsOf,
  duration,
  flag,
  fraction,
  integer,
  oneOf,
  parseOptions,
  text,
} from '../../src/core/shared/option-schema.js';
import { cacheOptions } from '../../src/core/cache/cache-options.js';

test('an unknown option name is refused; the error lists the known names', (t) => {
  const error = t.throws(() => checkNames({ tll: 1 }, cacheOptions, 'getOrSet'), {
    instanceOf: OptionsError,
  });
  t.regex(error!.message, /getOrSet has no option 'tll'\. It has: ttl, /);
  for (const options of [null, 'x', undefined] as unknown as object[]) {
    t.throws(() => checkNames(options, cacheOptions, 'getOrSet'), { instanceOf: OptionsError });
  }
});

test('names of Object.prototype are unknown option names', (t) => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.throws(() => parseOptions(cacheOptions, JSON.parse(`{"${name}": 1}`) as object, 'here'), {
      instanceOf: OptionsError,
    });
  }
});

test('the error of every kind of option states what it accepts', (t) => {
  const schema = {
    duration: duration({ min: 1, max: 1_000 }),
    integer: integer({ min: 1 }),
    bits: integer({ min: 1, max: 8, of: 'bits' }),
    fraction: fraction({ max: 0.9 }),
    one: oneOf(['only']),
    some: oneOf(['a', 'b', 'c']),
    flag: flag(),
    text: text('billing'),
    callback: callback(),
    signal: abortSignal(),
  };
  const messages = Object.keys(schema).map(
    (name) => t.throws(() => parseOptions(schema, { [name]: Symbol('s') }, 'here'))!.message,
  );
  t.deepEqual(messages, [
    "duration of here is a duration such as '15m', '1h30m', '90 s' or 250 (milliseconds), from 1 ms to 1000 ms, and a symbol was given.",
    'integer of here is a whole number, 1 or more, and a symbol was given.',
    'bits of here is a whole number of bits from 1 to 8, and a symbol was given.',
    'fraction of here is a number from 0 to 0.9, and a symbol was given.',
    "one of here is 'only', and a symbol was given.",
    "some of here is 'a', 'b' or 'c', and a symbol was given.",
    'flag of here is true or false, and a symbol was given.',
    "text of here is a string that is not empty, such as 'billing', and a symbol was given.",
    'callback of here is a function, and a symbol was given.',
    'signal of here is an AbortSignal, and a symbol was given.',
  ]);
  t.deepEqual(parseOptions(schema, { flag: false, text: undefined, some: 'b' }, 'here'), {
    flag: false,
    some: 'b',
  });
  t.deepEqual(
    { ...defaultsOf({ a: duration({ default: '2s' }), b: flag(true), c: text('x') }) },
    {
      a: 2_000,
      b: true,
      c: undefined,
    },
  );
});
