import test from 'ava';
import { OptionsError } from '../../src/core/shared/errors.js';
import { parseOptions, resolveOptions } from '../../src/core/shared/option-schema.js';
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

test('an omitted option has its documented default', (t) => {
  t.deepEqual(
    { ...policyOf({ ttl: 1_000 }) },
    {
      ttl: 1_000,
      negativeTtl: 1_000,
      idleTtl: undefined,
      grace: 0,
      graceBackoff: 10_000,
      softTimeout: undefined,
      hardTimeout: undefined,
      refreshAhead: { by: 'never' },
      abortOnLostLease: false,
      jitter: 0.1,
      l1: Infinity,
      outage: 0,
      verify: false,
      lease: 5_000,
      lockTimeout: 5_000,
      loadTimeout: 5_000,
      loadQueueTimeout: 1_000,
      stampede: 'lease',
      storeTimeout: 250,
      inheritTags: false,
      onUnsupported: 'throw',
      memo: true,
      maxValueBytes: 8 * 1024 * 1024,
      codec: undefined,
      compression: Infinity,
      serializer: undefined,
    },
  );
});

test('options of the call override the defaults of the Caching', (t) => {
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

test('a resolved policy is frozen', (t) => {
  t.true(Object.isFrozen(policyOf({ ttl: 1 })));
});

test('a call without a ttl is refused', (t) => {
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
  test(`${name}: ${typeof value === 'string' ? `'${value}'` : String(value)} is refused by an OptionsError that names the option`, (t) => {
    const options = { ttl: 1, [name]: value } as CacheOptions;
    const error = t.throws(() => policyOf(options), { instanceOf: OptionsError });
    t.true(error!.message.startsWith(`${name} of somewhere is `), error!.message);
  });
}

test('no option accepts null; undefined means the default', (t) => {
  t.throws(() => policyOf({ ttl: null as never }, { ttl: '5m' }), {
    message: /^ttl of somewhere is a duration .*, and null was given\. Leave it out for its default\.$/,
  });
  t.is(policyOf({ ttl: undefined }, { ttl: '5m' }).ttl, 300_000);
});
