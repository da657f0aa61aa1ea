import test from 'ava';
import { KeyError, OptionsError } from '../../src/core/shared/errors.js';
import { memory } from '../../src/adapters/memory/index.js';
import { Caching } from '../../src/core/caching.js';
import type { Rule } from '../../src/core/limits/rules.js';
import { fakeClock } from '../../src/testing/fake-clock.js';

const RULE = { limit: 5, per: '1m' } as const;

test('invalid options are refused, and nothing is taken', async (t) => {
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

test('invalid defaults are refused by the constructor', (t) => {
  const caching = (limits: object): Caching => new Caching({ adapter: memory(), limits });
  t.throws(() => caching({ onUnavailable: 'maybe' }), {
    instanceOf: OptionsError,
    message: /new Caching\(\{ limits \}\)/,
  });
  t.throws(() => caching({ limit: 5 }), { instanceOf: OptionsError, message: /has no option 'limit'/ });
});

test('verbs that hold no slot refuse concurrency rules and name the verb that accepts them', async (t) => {
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
