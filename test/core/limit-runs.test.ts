import test from 'ava';
import { RateLimitExceededError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import type { Rule } from '../../src/core/limits/rules.js';
import { deferred } from '../coherence/deferred.js';
import { limitRig, settled } from './limit-rig.js';

const RULE = { limit: 2, per: '1m' } as const;
const SLOTS: Rule = { algorithm: 'concurrency', limit: 2, lease: '30s' };

test('run gives back what the work gives, whether it is async or not', async (t) => {
  const { limits } = limitRig(t);
  t.is(await limits.run('k', RULE, () => 7), 7);
  t.is(await limits.run('k', RULE, async () => 8), 8);
});

test('run throws what the work throws, and its units stay taken', async (t) => {
  const { limits, used } = limitRig(t);
  const error = new Error('no');
  const fail = (): never => {
    throw error;
  };
  t.is(await t.throwsAsync(limits.run('k', RULE, fail)), error);
  t.is(await t.throwsAsync(limits.run('k', RULE, async () => fail())), error);
  t.is(await used('k', RULE), 2);
});

test('a refused run says whose limit it is, which one, and when to come again', async (t) => {
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

// --- slots ---------------------------------------------------------------------------------------------------------------

test('a slot is held while the work runs, in all processes together, and free when run has resolved', async (t) => {
  const { limits, other, used } = limitRig(t);
  const works = [deferred<number>(), deferred<number>()];
  const runs = [
    limits.run('k', SLOTS, () => works[0]!.promise),
    other.run('k', SLOTS, () => works[1]!.promise),
  ];
  await settled();
  const error = await t.throwsAsync(limits.run('k', SLOTS, () => t.fail()));
  t.is(
    error.message,
    "Rate limit 'concurrency' of 'k' is used up: 2 at once. A slot is free in 30000 ms at the latest.",
  );
  works[0]!.resolve(1);
  t.is(await runs[0]!, 1);
  t.is(await used('k', SLOTS), 1);
  t.is(await limits.run('k', SLOTS, () => 3), 3);
  works[1]!.reject(new Error('no'));
  await t.throwsAsync(runs[1]!, { message: 'no' });
  t.is(await used('k', SLOTS), 0);
});

test('a slot is renewed at every third of its life for as long as the work runs, and not after', async (t) => {
  const { limits, clock, stage, used } = limitRig(t);
  const work = deferred();
  const run = limits.run('k', SLOTS, () => work.promise);
  await settled();
  await clock.advance(9_999);
  t.deepEqual(stage.asked, ['consume']);
  await clock.advance(1);
  t.deepEqual(stage.asked, ['consume', 'renew']);
  await clock.advance(300_000);
  t.is(await used('k', SLOTS), 1);
  work.resolve();
  await run;
  t.is(stage.asked.at(-1), 'refund');
  t.is(clock.timers, 0);
  t.is(await used('k', SLOTS), 0);
});

test('the slot of a process that died is free when its life is over', async (t) => {
  const { limits, clock, stage, used } = limitRig(t);
  const one: Rule = { ...SLOTS, limit: 1 };
  stage.fail('renew', 'never sent');
  stage.fail('refund', 'never sent');
  const work = deferred();
  const run = limits.run('k', one, () => work.promise);
  await settled();
  await clock.advance(29_999);
  t.is(await used('k', one), 1);
  await clock.advance(1);
  t.is(await used('k', one), 0);
  work.resolve();
  await run;
});

test('renewals go on when one has failed, and the failure is published', async (t) => {
  const { limits, clock, stage, of, used } = limitRig(t);
  const work = deferred();
  const run = limits.run('k', SLOTS, () => work.promise);
  await settled();
  stage.fail('renew', 'never sent', 2);
  await clock.advance(60_000);
  t.is(await used('k', SLOTS), 1);
  t.deepEqual(
    of('error').map(({ operation, key }) => [operation, key]),
    [
      ['renew', 'k'],
      ['renew', 'k'],
    ],
  );
  work.resolve();
  await run;
});

test('a slot that the store has lost counts again while its work runs, and is given back', async (t) => {
  const { limits, other, clock, used } = limitRig(t);
  const one: Rule = { ...SLOTS, limit: 1 };
  const work = deferred();
  const run = limits.run('k', one, () => work.promise);
  await settled();
  await other.reset('k', one);
  t.is(await used('k', one), 0);
  await clock.advance(10_000);
  t.is(await used('k', one), 1);
  work.resolve();
  await run;
  t.is(await used('k', one), 0);
});

test('a slot that was lost is not taken again when the work has ended meanwhile', async (t) => {
  const { limits, other, clock, stage, used } = limitRig(t);
  const one: Rule = { ...SLOTS, limit: 1 };
  const work = deferred();
  const run = limits.run('k', one, () => work.promise);
  await settled();
  await other.reset('k', one);
  const release = stage.hold('renew');
  await clock.advance(10_000);
  work.resolve();
  await run;
  release();
  await settled();
  t.is(await used('k', one), 0);
});

test('a slot that cannot be given back is published, and changes neither result nor error', async (t) => {
  const { limits, stage, of } = limitRig(t);
  stage.fail('refund', 'never sent');
  t.is(await limits.run('k', SLOTS, () => 7), 7);
  await t.throwsAsync(
    limits.run('k', SLOTS, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  t.deepEqual(
    of('error').map(({ operation, key }) => [operation, key]),
    [
      ['release', 'k'],
      ['release', 'k'],
    ],
  );
});

test('a call holds one slot whatever it costs, and none if it only looks', async (t) => {
  const { limits, stage, used } = limitRig(t);
  const rules: Rule[] = [SLOTS, { limit: 9, per: '1m' }];
  const seen = await limits.run('k', rules, () => used('k', SLOTS), { cost: 9 });
  t.is(seen, 1);
  t.is(await limits.run('k', SLOTS, () => used('k', SLOTS), { cost: 0 }), 0);
  t.is(stage.asked.filter((verb) => verb === 'refund').length, 1);
});

test('a window that refuses holds no slot, and a slot that is missing takes nothing from a window', async (t) => {
  const { limits, used } = limitRig(t);
  const rules: Rule[] = [{ ...SLOTS, limit: 1 }, RULE];
  await limits.consume('k', RULE, { cost: 2 });
  await t.throwsAsync(limits.run('k', rules, () => t.fail()));
  t.is(await used('k', rules[0]!), 0);
  await limits.reset('k', RULE);
  const work = deferred();
  const run = limits.run('k', rules, () => work.promise);
  await settled();
  await t.throwsAsync(limits.run('k', rules, () => t.fail()));
  t.is(await used('k', RULE), 1);
  work.resolve();
  await run;
  t.is(await used('k', RULE), 1);
});

test('close gives every slot back, and ends the renewals', async (t) => {
  const { caching, limits, clock, of, used } = limitRig(t);
  const work = deferred<number>();
  const run = limits.run('k', SLOTS, () => work.promise);
  await settled();
  t.is(await used('k', SLOTS), 1);
  await caching.close();
  t.is(await used('k', SLOTS), 0);
  t.is(clock.timers, 0);
  work.resolve(7);
  t.is(await run, 7);
  t.deepEqual(of('error'), []);
});

// --- refund on error -------------------------------------------------------------------------------------------------------

test('a failing run gives its units back if it is told to', async (t) => {
  const { limits, used } = limitRig(t);
  const fail = () => Promise.reject(new Error('no'));
  await t.throwsAsync(limits.run('k', RULE, fail, { cost: 2, refundOnError: true }), { message: 'no' });
  t.is(await used('k', RULE), 0);
  await t.throwsAsync(limits.run('k', RULE, fail, { refundOnError: false }), { message: 'no' });
  t.is(await used('k', RULE), 1);
  await limits.run('k', RULE, () => 1, { refundOnError: true });
  t.is(await used('k', RULE), 2);
});

test('which failures give units back may be decided by the error', async (t) => {
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

test('a refused run gives nothing back', async (t) => {
  const { limits, used } = limitRig(t);
  await limits.consume('k', RULE, { cost: 2 });
  await t.throwsAsync(
    limits.run('k', RULE, () => t.fail(), { refundOnError: true }),
    { instanceOf: RateLimitExceededError },
  );
  t.is(await used('k', RULE), 2);
});

test('a refund that the store cannot take is published, and the error of the work is thrown', async (t) => {
  const { limits, stage, of, used } = limitRig(t);
  stage.fail('refund', 'never sent');
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

test('a failing run gives slot and units back in one request', async (t) => {
  const { limits, stage, used } = limitRig(t);
  await t.throwsAsync(
    limits.run('k', [RULE, SLOTS], () => Promise.reject(new Error('no')), { refundOnError: true }),
  );
  t.deepEqual(stage.asked, ['consume', 'refund']);
  t.is(await used('k', RULE), 0);
  t.is(await used('k', SLOTS), 0);
});

test('units that this process has counted for itself are given back to its own count', async (t) => {
  const { limits, stage, used } = limitRig(t, { limits: { processes: 2 } });
  const wide = { limit: 4, per: '1m' } as const;
  await limits.consume('k', wide, { cost: 2 });
  stage.fail('consume', 'refused', 2);
  await t.throwsAsync(
    limits.run('k', wide, () => Promise.reject(new Error('no')), { cost: 2, refundOnError: true }),
  );
  t.is((await limits.peek('k', wide)).rules[0]!.used, 0);
  t.is(await used('k', wide), 2);
});

// --- dry run ---------------------------------------------------------------------------------------------------------------

test('a dry run counts, says what it would have said, and refuses nothing', async (t) => {
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

test('a dry run waits for nothing, and holds the slots that it gets', async (t) => {
  const { limits, clock, used } = limitRig(t);
  const one: Rule = { ...SLOTS, limit: 1 };
  const inner = (): Promise<number> =>
    limits.run('k', one, () => used('k', one), { dryRun: true, wait: '1h' });
  t.is(await limits.run('k', one, inner, { dryRun: true }), 1);
  t.is(await used('k', one), 0);
  t.is(clock.timers, 0);
});

test('a dry run runs without a store, whatever the policy, and what is no limit is still refused', async (t) => {
  const { limits, stage, of } = limitRig(t, { limits: { onUnavailable: 'deny' } });
  stage.fail('consume', 'refused');
  t.is(await limits.run('k', RULE, () => 7, { dryRun: true }), 7);
  t.like(of('error'), { 0: { operation: 'limit', key: 'k' } });
  await t.throwsAsync(
    limits.run('k', RULE, () => 7, { dryRun: true, cost: 3 }),
    { code: 'E_OPTIONS' },
  );
});

test('a StoreUnavailableError of the work itself is the error of a dry run, too', async (t) => {
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
