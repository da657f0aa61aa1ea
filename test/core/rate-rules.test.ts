import test from 'ava';
import { KeyError, OptionsError } from '../../src/core/shared/errors.js';
import { describe } from '../../src/core/shared/describe.js';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import { resolveRules, storeRules, type Rule } from '../../src/core/limits/rules.js';
import { fakeClock } from '../../src/testing/fake-clock.js';

const YEAR = 365 * 86_400_000;

// --- what is made of a rule --------------------------------------------------------------------------------------------

test('a rule is GCRA, named after algorithm and window, with a burst as large as its limit', (t) => {
  t.deepEqual(resolveRules({ limit: 5, per: '1m' }, 'here').rules, [
    { name: 'gcra-60000', algorithm: 'gcra', limit: 5, perMs: 60_000, burst: 5 },
  ]);
  t.deepEqual(
    resolveRules({ algorithm: 'token-bucket', limit: 5, per: 10, burst: 9, name: 'a.B_1-2' }, 'here').rules,
    [{ name: 'a.B_1-2', algorithm: 'token-bucket', limit: 5, perMs: 10, burst: 9 }],
  );
});

test('a slot lives for 30 seconds, and its rule is called concurrency', (t) => {
  t.deepEqual(resolveRules({ algorithm: 'concurrency', limit: 2 }, 'here').rules, [
    { name: 'concurrency', algorithm: 'concurrency', limit: 2, perMs: 30_000, burst: 2 },
  ]);
  t.is(resolveRules({ algorithm: 'concurrency', limit: 2, lease: '5s' }, 'here').rules[0]!.perMs, 5_000);
});

test('a store is asked about rules under the key of their subject, and never about those of 0', (t) => {
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

// --- what cannot be a rule ---------------------------------------------------------------------------------------------

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
  test(`this is no rule: ${shown} (${says.source})`, (t) => {
    const error = t.throws(() => resolveRules(given as Rule, 'here'), { instanceOf: OptionsError });
    t.regex(error.message, says);
  });
}

// --- what cannot be asked ------------------------------------------------------------------------------------------------

const RULE = { limit: 5, per: '1m' } as const;

test('units that are none are refused by every verb, and nothing is taken', async (t) => {
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

test('what could never pass is refused at once, by name of the rule, and nothing is taken', async (t) => {
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

test('options that are none are refused, and nothing is taken', async (t) => {
  const { limits } = new Caching({ adapter: memory(), clock: fakeClock() });
  const bad: readonly [options: object, says: RegExp][] = [
    [{ costs: 1 }, /^consume has no option 'costs'/],
    [
      { onUnavailable: 'throw' },
      /^onUnavailable of consume is 'allow', 'deny' or 'local', and 'throw' was given/,
    ],
    [{ processes: 0 }, /^processes of consume is a whole number, 1 or more/],
    [{ processes: 1.5 }, /^processes of consume/],
    [{ denialCache: 'no' }, /^denialCache of consume is true or false/],
    [{ storeTimeout: '1  s' }, /^storeTimeout of consume is a duration/],
    [{ wait: -1 }, /^wait of consume is a duration/],
    [{ wait: '1s', signal: {} }, /^signal of consume is an AbortSignal, and a plain object was given/],
    [{ requestId: '' }, /^requestId of consume is a string of one character or more/],
    [{ requestId: 5 }, /^requestId of consume is a string/],
  ];
  for (const [options, says] of bad) {
    const error = await t.throwsAsync(limits.consume('k', RULE, options), { instanceOf: OptionsError });
    t.regex(error.message, says);
  }
  for (const [options, says] of [
    [{ dryRun: 1 }, /^dryRun of run is true or false/],
    [{ refundOnError: 'yes' }, /^refundOnError of run is true, false or a function/],
    [{ retry: 1 }, /^run has no option 'retry'/],
  ] as const) {
    const error = await t.throwsAsync(
      limits.run('k', RULE, () => t.fail(), options as object),
      {
        instanceOf: OptionsError,
      },
    );
    t.regex(error.message, says);
  }
  await t.throwsAsync(limits.run('k', RULE, undefined as never), { instanceOf: OptionsError });
  await t.throwsAsync(limits.block('k', 0), { instanceOf: OptionsError });
  await t.throwsAsync(limits.block('k', '366d'), { instanceOf: OptionsError });
  await t.throwsAsync(limits.consume('', RULE), { instanceOf: KeyError });
  t.is((await limits.peek('k', RULE)).remaining, 5);
});

test('defaults that are none are refused by the constructor', (t) => {
  const caching = (limits: object): Caching => new Caching({ adapter: memory(), limits });
  t.throws(() => caching({ onUnavailable: 'maybe' }), {
    instanceOf: OptionsError,
    message: /new Caching\(\{ limits \}\)/,
  });
  t.throws(() => caching({ limit: 5 }), { instanceOf: OptionsError, message: /has no option 'limit'/ });
});

test('verbs that hold no slot refuse rules that need one, and name the verb that does', async (t) => {
  const { limits } = new Caching({ adapter: memory(), clock: fakeClock() });
  const rules: Rule[] = [RULE, { algorithm: 'concurrency', limit: 0, name: 'slots' }];
  for (const call of [
    limits.consume('k', rules),
    limits.penalty('k', rules),
    limits.refund('k', rules),
    limits.refund('k', rules),
  ]) {
    const error = await t.throwsAsync(call, { instanceOf: OptionsError });
    t.regex(error.message, /the rule 'slots', which holds a slot while a call runs. Use run\(/);
  }
  const error = await t.throwsAsync(
    limits.run('k', rules, () => t.fail(), { requestId: 'r' }),
    {
      instanceOf: OptionsError,
    },
  );
  t.regex(error.message, /requestId and the rule 'slots'/);
  t.is((await limits.peek('k', RULE)).remaining, 5);
});
