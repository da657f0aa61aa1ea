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
  resolveOptions,
  text,
} from '../../src/core/shared/option-schema.js';
import {
  CACHE_DEFAULTS,
  cacheOptions,
  resolveCachePolicy,
  type CacheOptions,
  type CachePolicy,
} from '../../src/core/cache/cache-options.js';

function policyOf(options: CacheOptions, defaults: CacheOptions = {}): CachePolicy {
  const base = resolveOptions(parseOptions(cacheOptions, defaults, 'defaults'), CACHE_DEFAULTS);
  return resolveCachePolicy(parseOptions(cacheOptions, options, 'somewhere'), base, 'somewhere');
}

test('an option that is not given has the default that its documentation names', (t) => {
  t.deepEqual(
    { ...policyOf({ ttl: 1_000 }) },
    {
      ttl: 1_000,
      negativeTtl: 1_000,
      jitter: 0.1,
      lease: 5_000,
      lockTimeout: 5_000,
      loadTimeout: 5_000,
      stampede: 'lease',
      storeTimeout: 250,
      inheritTags: false,
      onUnsupported: 'throw',
      maxValueBytes: 8 * 1024 * 1024,
    },
  );
});

test('the call comes before the defaults of the Caching, and what it leaves out stays theirs', (t) => {
  const defaults: CacheOptions = {
    ttl: '5m',
    negativeTtl: '1m',
    jitter: 0.5,
    storeTimeout: 1,
    onUnsupported: 'bypass',
  };
  const policy = policyOf({ ttl: '1m', jitter: 0, lockTimeout: undefined }, defaults);
  t.is(policy.ttl, 60_000);
  t.is(policy.negativeTtl, 60_000);
  t.is(policy.jitter, 0);
  t.is(policy.storeTimeout, 1);
  t.is(policy.onUnsupported, 'bypass');
  t.is(policy.lockTimeout, 5_000);
});

test('a policy does not change', (t) => {
  t.true(Object.isFrozen(policyOf({ ttl: 1 })));
});

test('without a ttl there is no policy', (t) => {
  const error = t.throws(() => policyOf({}), { instanceOf: OptionsError });
  t.regex(error!.message, /^somewhere has no ttl, and every entry needs one/);
  t.is(error!.code, 'E_OPTIONS');
});

test('negativeTtl, lockTimeout and storeTimeout may be 0', (t) => {
  const policy = policyOf({ ttl: 1, negativeTtl: 0, lockTimeout: 0, storeTimeout: 0 });
  t.is(policy.negativeTtl + policy.lockTimeout + policy.storeTimeout, 0);
});

const BAD: readonly (readonly [keyof CacheOptions, unknown])[] = [
  ['ttl', 0],
  ['ttl', 0.5],
  ['ttl', '0.9ms'],
  ['ttl', -1],
  ['ttl', Number.NaN],
  ['ttl', Number.POSITIVE_INFINITY],
  ['ttl', '1h; FLUSHALL'],
  ['ttl', null],
  ['ttl', {}],
  ['negativeTtl', -1],
  ['negativeTtl', null],
  ['negativeTtl', 'soon'],
  ['jitter', -0.1],
  ['jitter', 1],
  ['jitter', Number.NaN],
  ['jitter', '0.1'],
  ['lease', 0],
  ['lease', -5],
  ['lockTimeout', -1],
  ['lockTimeout', 'x'],
  ['loadTimeout', 0],
  ['stampede', 'redlock'],
  ['storeTimeout', -1],
  ['inheritTags', 'yes'],
  ['onUnsupported', 'ignore'],
  ['maxValueBytes', 0],
  ['maxValueBytes', 1.5],
  ['maxValueBytes', Number.POSITIVE_INFINITY],
  ['maxValueBytes', '1kb'],
];

for (const [name, value] of BAD) {
  test(`${name}: ${typeof value === 'string' ? `'${value}'` : String(value)} is refused where it is given`, (t) => {
    const options = { ttl: 1, [name]: value } as CacheOptions;
    const error = t.throws(() => policyOf(options), { instanceOf: OptionsError });
    t.true(error!.message.startsWith(`${name} of somewhere is `), error!.message);
  });
}

test('null is a value that no option accepts; undefined means not given', (t) => {
  t.throws(() => policyOf({ ttl: null as never }, { ttl: '5m' }), {
    message: /^ttl of somewhere is a duration .*, and null was given\. Leave it out for its default\.$/,
  });
  t.is(policyOf({ ttl: undefined }, { ttl: '5m' }).ttl, 300_000);
});

test('a name that does not exist is refused, with those that do', (t) => {
  const error = t.throws(() => checkNames({ tll: 1 }, cacheOptions, 'getOrSet'), {
    instanceOf: OptionsError,
  });
  t.regex(error!.message, /getOrSet has no option 'tll'\. It has: ttl, /);
  for (const options of [null, 'x', undefined] as unknown as object[]) {
    t.throws(() => checkNames(options, cacheOptions, 'getOrSet'), { instanceOf: OptionsError });
  }
});

test('a name of Object.prototype is a name that does not exist', (t) => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.throws(() => parseOptions(cacheOptions, JSON.parse(`{"${name}": 1}`) as object, 'here'), {
      instanceOf: OptionsError,
    });
  }
});

test('every kind of option says what it accepts', (t) => {
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
