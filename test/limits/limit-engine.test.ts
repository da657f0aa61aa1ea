import test from 'ava';
import { RateLimitExceededError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Rule } from '../../src/core/limits/rules.js';
import { limitRig } from './limit-rig.js';

const RULE = { limit: 2, per: '1m' } as const;

const SLOTS: Rule = { algorithm: 'concurrency', limit: 2, lease: '30s' };

test('run returns the result of the work, async or not', async (t) => {
  const { limits } = limitRig(t);
  t.is(await limits.run('k', RULE, () => 7), 7);
  t.is(await limits.run('k', RULE, async () => 8), 8);
});

test('run rejects with the error of the work, and its units stay taken', async (t) => {
  const { limits, used } = limitRig(t);
  const error = new Error('no');
  const fail = (): never => {
    throw error;
  };
  t.is(await t.throwsAsync(limits.run('k', RULE, fail)), error);
  t.is(await t.throwsAsync(limits.run('k', RULE, async () => fail())), error);
  t.is(await used('k', RULE), 2);
});

test('a denied run rejects with key, rule and retryAfterMs', async (t) => {
  const { limits } = limitRig(t);
  await limits.consume("o'k\n", RULE, { cost: 2 });
  const error = await t.throwsAsync(
    limits.run("o'k\n", RULE, () => t.fail()),
    { instanceOf: RateLimitExceededError },
  );
  t.is(
    error.message,
    "Rate limit 'gcra-60000' of 'o%27k%0A' is used up: 2 in 60000 ms. Try again in 30000 ms.",
  );
  t.like(error, {
    code: 'E_RATE_LIMIT_EXCEEDED',
    key: 'o%27k%0A',
    limit: 2,
    remaining: 0,
    retryAfterMs: 30_000,
    resetMs: 60_000,
    rule: 'gcra-60000',
    decision: { source: 'store' },
  });
});

test('refundOnError: a failed run refunds its units', async (t) => {
  const { limits, used } = limitRig(t);
  const fail = () => Promise.reject(new Error('no'));
  await t.throwsAsync(limits.run('k', RULE, fail, { cost: 2, refundOnError: true }), { message: 'no' });
  t.is(await used('k', RULE), 0);
  await t.throwsAsync(limits.run('k', RULE, fail, { refundOnError: false }), { message: 'no' });
  t.is(await used('k', RULE), 1);
  await limits.run('k', RULE, () => 1, { refundOnError: true });
  t.is(await used('k', RULE), 2);
});

test('refundOnError: a function of the error decides about the refund', async (t) => {
  const { limits, of, used } = limitRig(t);
  const options = { refundOnError: (error: unknown) => (error as Error).message === 'busy' };
  await t.throwsAsync(
    limits.run('k', RULE, () => Promise.reject(new Error('busy')), options),
    { message: 'busy' },
  );
  t.is(await used('k', RULE), 0);
  await t.throwsAsync(
    limits.run('k', RULE, () => Promise.reject(new Error('bad')), options),
    { message: 'bad' },
  );
  t.is(await used('k', RULE), 1);
  const broken = {
    refundOnError: (): boolean => {
      throw new Error('a mistake');
    },
  };
  await t.throwsAsync(
    limits.run('k', RULE, () => Promise.reject(new Error('bad')), broken),
    { message: 'bad' },
  );
  t.is(await used('k', RULE), 2);
  t.like(of('error'), { 0: { operation: 'refundOnError', key: 'k' } });
});

test('a denied run refunds nothing', async (t) => {
  const { limits, used } = limitRig(t);
  await limits.consume('k', RULE, { cost: 2 });
  await t.throwsAsync(
    limits.run('k', RULE, () => t.fail(), { refundOnError: true }),
    { instanceOf: RateLimitExceededError },
  );
  t.is(await used('k', RULE), 2);
});

test('a failed refund is published, and the error of the work is thrown', async (t) => {
  const { limits, chaos, of, used } = limitRig(t);
  chaos.fail('rates.refund', 'request lost');
  const rules: Rule[] = [RULE, SLOTS];
  await t.throwsAsync(
    limits.run('k', rules, () => Promise.reject(new Error('no')), { refundOnError: true }),
    { message: 'no' },
  );
  t.deepEqual(
    of('error').map(({ operation }) => operation),
    ['refund'],
  );
  t.is(await used('k', RULE), 1);
});

test('a failed run releases its slot and refunds its units in one request', async (t) => {
  const { limits, chaos, used } = limitRig(t);
  await t.throwsAsync(
    limits.run('k', [RULE, SLOTS], () => Promise.reject(new Error('no')), { refundOnError: true }),
  );
  t.deepEqual(chaos.verbs, ['rates.consume', 'rates.refund']);
  t.is(await used('k', RULE), 0);
  t.is(await used('k', SLOTS), 0);
});

test('units counted locally are refunded locally', async (t) => {
  const { limits, chaos, used } = limitRig(t, { limits: { processes: 2 } });
  const wide = { limit: 4, per: '1m' } as const;
  await limits.consume('k', wide, { cost: 2 });
  chaos.fail('rates.consume', 'refused', 2);
  await t.throwsAsync(
    limits.run('k', wide, () => Promise.reject(new Error('no')), { cost: 2, refundOnError: true }),
  );
  t.is((await limits.peek('k', wide)).rules[0]!.used, 0);
  t.is(await used('k', wide), 2);
});

test('dryRun: counts and publishes the decision, but denies nothing', async (t) => {
  const { limits, of, used } = limitRig(t);
  for (let i = 0; i < 4; i++) t.is(await limits.run('k', RULE, () => i, { dryRun: true }), i);
  t.deepEqual(
    of('limit').map(({ allowed, enforced }) => [allowed, enforced]),
    [
      [true, false],
      [true, false],
      [false, false],
      [false, false],
    ],
  );
  t.is(await used('k', RULE), 2);
});

test('dryRun: does not wait, and holds the slots that it gets', async (t) => {
  const { limits, clock, used } = limitRig(t);
  const one: Rule = { ...SLOTS, limit: 1 };
  const inner = (): Promise<number> =>
    limits.run('k', one, () => used('k', one), { dryRun: true, wait: '1h' });
  t.is(await limits.run('k', one, inner, { dryRun: true }), 1);
  t.is(await used('k', one), 0);
  t.is(clock.timers, 0);
});

test('dryRun: runs without a store under every policy; invalid rules still reject', async (t) => {
  const { limits, chaos, of } = limitRig(t, { limits: { onUnavailable: 'deny' } });
  chaos.fail('rates.consume', 'refused');
  t.is(await limits.run('k', RULE, () => 7, { dryRun: true }), 7);
  t.like(of('error'), { 0: { operation: 'limit', key: 'k' } });
  await t.throwsAsync(
    limits.run('k', RULE, () => 7, { dryRun: true, cost: 3 }),
    { code: 'E_OPTIONS' },
  );
});

test('dryRun: a StoreUnavailableError of the work itself reaches the caller', async (t) => {
  const { limits } = limitRig(t);
  const error = new StoreUnavailableError('another store', 'refused');
  let runs = 0;
  const work = (): never => {
    runs++;
    throw error;
  };
  t.is(await t.throwsAsync(limits.run('k', RULE, work, { dryRun: true })), error);
  t.is(runs, 1);
});
