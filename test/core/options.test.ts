import test from 'ava';
import { OptionsError } from '../../src/core/errors.js';
import { checkNames, policyNames, resolvePolicy, type PolicyOptions } from '../../src/core/options.js';

test('what is not said has the default that its documentation names', (t) => {
  t.deepEqual(
    { ...resolvePolicy({ ttl: 1_000 }, {}, 'here') },
    {
      ttl: 1_000,
      negativeTtl: 1_000,
      jitter: 0.1,
      lease: 5_000,
      wait: 5_000,
      stampede: 'lease',
      budget: 250,
      inheritTags: false,
      onUnsupported: 'throw',
      maxValueBytes: 8 * 1024 * 1024,
    },
  );
});

test('the call comes before the defaults, and what it leaves out stays theirs', (t) => {
  const defaults: PolicyOptions = {
    ttl: '5m',
    negativeTtl: '1m',
    jitter: 0.5,
    budget: 1,
    onUnsupported: 'bypass',
  };
  const policy = resolvePolicy({ ttl: '1m', jitter: 0, wait: undefined }, defaults, 'here');
  t.is(policy.ttl, 60_000);
  t.is(policy.negativeTtl, 60_000);
  t.is(policy.jitter, 0);
  t.is(policy.budget, 1);
  t.is(policy.onUnsupported, 'bypass');
  t.is(policy.wait, 5_000);
});

test('a policy does not change', (t) => {
  t.true(Object.isFrozen(resolvePolicy({ ttl: 1 }, {}, 'here')));
});

test('without a ttl there is none', (t) => {
  const error = t.throws(() => resolvePolicy({}, {}, '@Cached on Users.find'), { instanceOf: OptionsError });
  t.regex(error!.message, /@Cached on Users\.find has no ttl/);
  t.is(error!.code, 'E_OPTIONS');
});

test('negativeTtl, wait and budget may be 0', (t) => {
  const policy = resolvePolicy({ ttl: 1, negativeTtl: 0, wait: 0, budget: 0 }, {}, 'here');
  t.is(policy.negativeTtl + policy.wait + policy.budget, 0);
});

const BAD: readonly (readonly [keyof PolicyOptions, unknown])[] = [
  ['ttl', 0],
  ['ttl', -1],
  ['ttl', Number.NaN],
  ['ttl', Number.POSITIVE_INFINITY],
  ['ttl', '1h; FLUSHALL'],
  ['ttl', null],
  ['ttl', {}],
  ['negativeTtl', -1],
  ['negativeTtl', 'soon'],
  ['jitter', -0.1],
  ['jitter', 1],
  ['jitter', Number.NaN],
  ['jitter', '0.1'],
  ['lease', 0],
  ['lease', -5],
  ['wait', -1],
  ['wait', 'x'],
  ['budget', -1],
  ['onUnsupported', 'ignore'],
  ['maxValueBytes', 0],
  ['maxValueBytes', 1.5],
  ['maxValueBytes', Number.POSITIVE_INFINITY],
  ['maxValueBytes', '1kb'],
];

for (const [name, value] of BAD) {
  test(`${name}: ${typeof value === 'string' ? `'${value}'` : String(value)} is refused where it is given`, (t) => {
    const options = { ttl: 1, [name]: value } as PolicyOptions;
    const error = t.throws(() => resolvePolicy(options, {}, 'somewhere'), { instanceOf: OptionsError });
    t.true(error!.message.includes(name), error!.message);
    t.true(error!.message.includes('somewhere'), error!.message);
  });
}

test('a name that nobody reads is refused, with those that there are', (t) => {
  const error = t.throws(() => checkNames({ tll: 1 }, policyNames, 'getOrSet'), { instanceOf: OptionsError });
  t.regex(error!.message, /getOrSet has no option 'tll'\. It has: ttl, /);
  for (const options of [null, 'x', undefined] as unknown as object[]) {
    t.throws(() => checkNames(options, policyNames, 'getOrSet'), { instanceOf: OptionsError });
  }
});

test('a name of Object.prototype is a name that nobody reads', (t) => {
  t.throws(() => checkNames(JSON.parse('{"__proto__": 1}') as object, policyNames, 'here'), {
    instanceOf: OptionsError,
  });
});

test('every known name is read', (t) => {
  checkNames({ ...resolvePolicy({ ttl: 1 }, {}, 'here') }, policyNames, 'here');
  t.deepEqual([...policyNames].sort(), Object.keys(resolvePolicy({ ttl: 1 }, {}, 'here')).sort());
});
