import test from 'ava';
import { OptionsError } from '../../src/core/shared/errors.js';
import { describe } from '../../src/core/shared/describe.js';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { resolveRules, storeRules, type Rule } from '../../src/core/limits/rules.js';
import { fakeClock } from '../../src/testing/fake-clock.js';

const YEAR = 365 * 86_400_000;

test('by default a rule is GCRA, is named after algorithm and window, and has its limit as burst', (t) => {
  t.deepEqual(resolveRules({ limit: 5, per: '1m' }, 'here').rules, [
    { name: 'gcra-60000', algorithm: 'gcra', limit: 5, perMs: 60_000, burst: 5 },
  ]);
  t.deepEqual(
    resolveRules({ algorithm: 'token-bucket', limit: 5, per: 10, burst: 9, name: 'a.B_1-2' }, 'here').rules,
    [{ name: 'a.B_1-2', algorithm: 'token-bucket', limit: 5, perMs: 10, burst: 9 }],
  );
});

test('a concurrency rule has a lease of 30 seconds and the name concurrency', (t) => {
  t.deepEqual(resolveRules({ algorithm: 'concurrency', limit: 2 }, 'here').rules, [
    { name: 'concurrency', algorithm: 'concurrency', limit: 2, perMs: 30_000, burst: 2 },
  ]);
  t.is(resolveRules({ algorithm: 'concurrency', limit: 2, lease: '5s' }, 'here').rules[0]!.perMs, 5_000);
});

test('rules are stored under the key of their subject; rules of limit 0 are not stored', (t) => {
  const { activeRules, zeroRule } = resolveRules(
    [
      { limit: 0, per: '1s', name: 'none' },
      { limit: 1, per: '1s' },
    ],
    'here',
  );
  t.deepEqual(storeRules(activeRules, 'n:rate:{k}'), [
    { key: 'n:rate:{k}:gcra-1000', algorithm: 'gcra', limit: 1, perMs: 1_000, burst: 1 },
  ]);
  t.is(zeroRule?.name, 'none');
});

const NO_RULES: readonly (readonly [given: unknown, says: RegExp])[] = [
  ...[-1, Number.NaN, Infinity, 1.5, '2', 1n, null, undefined, {}, [], 1e10].map(
    (limit) => [{ limit, per: '1s' }, /^limit of here is a whole number from 0 to 1000000000, and /] as const,
  ),
  ...[
    0,
    -1,
    Number.NaN,
    Infinity,
    '1',
    '1  s',
    '-1s',
    '1h; FLUSHALL',
    null,
    undefined,
    0.3,
    '366d',
    YEAR + 1,
  ].map(
    (per) => [{ limit: 1, per }, /^per of here is a duration .* from 1 ms to 31536000000 ms, and /] as const,
  ),
  ...[0, -1, Number.NaN, Infinity, 1.5, '2', null].map(
    (burst) => [{ limit: 1, per: '1s', burst }, /^burst of here is a whole number from 1 /] as const,
  ),
  ...['fixed-window', 'sliding-window-log', 'sliding-window-counter'].map(
    (algorithm) =>
      [
        { algorithm, limit: 1, per: '1s', burst: 2 },
        /^here has a burst, which only 'gcra' and 'token-bucket' have/,
      ] as const,
  ),
  ...['GCRA', 'leaky-bucket', '', 1, null, {}, 'toString', '__proto__'].map(
    (algorithm) =>
      [{ algorithm, limit: 1, per: '1s' }, /^algorithm of here is 'gcra', 'token-bucket', /] as const,
  ),
  ...['', 'a b', 'a:b', '{a}', 'a\n', 'ä', 'x'.repeat(65), 1, null, {}, 'block'].map(
    (name) => [{ name, limit: 1, per: '1s' }, /^name of here is 1 to 64 characters out of /] as const,
  ),
  [
    { limit: 1, per: '1s', lease: '1s' },
    /^here has no option 'lease'\. It has: name, algorithm, limit, per, burst\./,
  ],
  [{ limit: 1, per: '1s', max: 3 }, /^here has no option 'max'/],
  [{ limit: 1, per: '1s', ['__proto__x']: 3 }, /^here has no option/],
  [
    { algorithm: 'concurrency', limit: 1, per: '1s' },
    /^here has no option 'per'\. It has: name, algorithm, limit, lease\./,
  ],
  [{ algorithm: 'concurrency', limit: 1, burst: 1 }, /^here has no option 'burst'/],
  [{ algorithm: 'concurrency', limit: 1, lease: 0 }, /^lease of here is a duration/],
  [{ algorithm: 'concurrency', limit: '1' }, /^limit of here is a whole number/],
  [
    { algorithm: 'sliding-window-log', limit: 100_001, per: '1d' },
    /at most 100000 for 'sliding-window-log'.*Use 'sliding-window-counter'/,
  ],
  [[], /^here takes 1 to 16 rules, and 0 were given/],
  [
    Array.from({ length: 17 }, (_, i) => ({ limit: 1, per: i + 1 })),
    /^here takes 1 to 16 rules, and 17 were given/,
  ],
  [
    [
      { limit: 1, per: '1s' },
      { limit: 2, per: 1_000 },
    ],
    /^Two rules of here have the name 'gcra-1000'. Give them names/,
  ],
  [
    [
      { limit: 1, per: '1s' },
      { limit: 2, per: 0 },
    ],
    /^per of rule 2 of here is/,
  ],
  [[{ limit: 1, per: '1s' }, null], /^rule 2 of here takes an object/],
  ...[null, undefined, 5, 'gcra', () => 1].map((given) => [given, /here/] as const),
];

for (const [given, says] of NO_RULES) {
  const shown = Array.isArray(given)
    ? `a list of ${given.length}`
    : typeof given === 'object' && given !== null
      ? Object.entries(given)
          .map(([name, value]) => `${name} ${describe(value)}`)
          .join(', ')
      : describe(given);
  test(`invalid rule: ${shown} (${says.source})`, (t) => {
    const error = t.throws(() => resolveRules(given as Rule, 'here'), { instanceOf: OptionsError });
    t.regex(error.message, says);
  });
}

const RULE = { limit: 5, per: '1m' } as const;

test('every verb refuses invalid units and takes nothing', async (t) => {
  const caching = new Caching({ adapter: memory(), clock: fakeClock() });
  const { limits } = caching;
  for (const units of [-1, Number.NaN, Infinity, 1.5, '2', null, {}, 2 ** 53, 1e10, 1n]) {
    const given = units as number;
    const calls = {
      consume: limits.consume('k', RULE, { cost: given }),
      run: limits.run('k', RULE, () => t.fail(), { cost: given }),
      penalty: limits.penalty('k', RULE, given),
      refund: limits.refund('k', RULE, given),
    };
    for (const [verb, call] of Object.entries(calls)) {
      const error = await t.throwsAsync(call, { instanceOf: OptionsError }, `${verb} ${String(units)}`);
      t.regex(error.message, new RegExp(`of ${verb} is a whole number from 0 to 1000000000, and `));
    }
  }
  t.is((await limits.peek('k', RULE)).remaining, 5);
});

test('a cost that a rule can never admit is refused at once with the name of the rule', async (t) => {
  const { limits } = new Caching({ adapter: memory(), clock: fakeClock() });
  const error = await t.throwsAsync(
    limits.consume(
      'k',
      [
        { limit: 9, per: '1s' },
        { limit: 9, per: '1m', burst: 2, name: 'slow' },
      ],
      { cost: 3 },
    ),
    { instanceOf: OptionsError },
  );
  t.regex(error.message, /^consume costs 3 units, and the rule 'slow' admits at most 2 at once/);
  await t.throwsAsync(
    limits.run('k', RULE, () => t.fail(), { cost: 6 }),
    { instanceOf: OptionsError },
  );
  t.is((await limits.peek('k', RULE)).remaining, 5);
  t.true((await limits.consume('k', RULE, { cost: 5 })).allowed);
});

test('a rule is checked although an equal one was resolved before', (t) => {
  resolveRules({ limit: 5, per: '1m' }, 'consume');
  const misspelled = { limit: 5, per: '1m', brust: 3 } as Rule;
  t.throws(() => resolveRules(misspelled, 'consume'), { instanceOf: OptionsError, message: /'brust'/ });
  resolveRules({ limit: 5, per: '1m', burst: undefined } as unknown as Rule, 'consume');
  t.throws(() => resolveRules({ ...misspelled, burst: undefined } as unknown as Rule, 'consume'), {
    instanceOf: OptionsError,
    message: /'brust'/,
  });
  t.throws(() => resolveRules(null as never, 'consume'), { instanceOf: OptionsError });
});

test('a rule that changes after a call applies to the next call as it is then', (t) => {
  const rule = { limit: 5, per: '1m' as const };
  t.is(resolveRules(rule, 'consume').rules[0]!.limit, 5);
  rule.limit = 6;
  t.is(resolveRules(rule, 'consume').rules[0]!.limit, 6);
});

test('many different rules are each resolved by their own values', (t) => {
  for (const round of [1, 2]) {
    for (let limit = 1; limit <= 20; limit++) {
      t.is(resolveRules({ limit, per: '1m' }, `call ${round}`).rules[0]!.limit, limit);
    }
  }
});
