import test from 'ava';
import type { Rule } from '../../src/core/limits/rules.js';
import { deferred } from '../support/deferred.js';
import { limitRig } from './limit-rig.js';
import { settled } from '../support/settled.js';

const RULE = { limit: 2, per: '1m' } as const;

const SLOTS: Rule = { algorithm: 'concurrency', limit: 2, lease: '30s' };

test('semaphore: a slot is held while the work runs, across processes, and free when run resolves', async (t) => {
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

test('a slot is renewed every third of its lease while the work runs, and not after', async (t) => {
  const { limits, clock, chaos, used } = limitRig(t);
  const work = deferred();
  const run = limits.run('k', SLOTS, () => work.promise);
  await settled();
  await clock.advance(9_999);
  t.deepEqual(chaos.verbs, ['rates.consume']);
  await clock.advance(1);
  t.deepEqual(chaos.verbs, ['rates.consume', 'rates.renew']);
  await clock.advance(300_000);
  t.is(await used('k', SLOTS), 1);
  work.resolve();
  await run;
  t.is(chaos.verbs.at(-1), 'rates.refund');
  t.is(clock.timers, 0);
  t.is(await used('k', SLOTS), 0);
});

test('the slot of a crashed process is free when its lease ends', async (t) => {
  const { limits, clock, chaos, used } = limitRig(t);
  const one: Rule = { ...SLOTS, limit: 1 };
  chaos.fail('rates.renew', 'request lost');
  chaos.fail('rates.refund', 'request lost');
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

test('renewals continue after a failed one, and the failure is published', async (t) => {
  const { limits, clock, chaos, of, used } = limitRig(t);
  const work = deferred();
  const run = limits.run('k', SLOTS, () => work.promise);
  await settled();
  chaos.fail('rates.renew', 'request lost', 2);
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

test('a slot that the store lost is taken again while its work runs, and released after it', async (t) => {
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

test('a lost slot is not taken again once the work has ended', async (t) => {
  const { limits, other, clock, chaos, used } = limitRig(t);
  const one: Rule = { ...SLOTS, limit: 1 };
  const work = deferred();
  const run = limits.run('k', one, () => work.promise);
  await settled();
  await other.reset('k', one);
  const { release } = chaos.hold('rates.renew', 'reply');
  await clock.advance(10_000);
  work.resolve();
  await run;
  release();
  await settled();
  t.is(await used('k', one), 0);
});

test('a failed release of a slot is published and changes neither result nor error', async (t) => {
  const { limits, chaos, of } = limitRig(t);
  chaos.fail('rates.refund', 'request lost');
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

test('a call holds one slot at any cost, and none at cost 0', async (t) => {
  const { limits, chaos, used } = limitRig(t);
  const rules: Rule[] = [SLOTS, { limit: 9, per: '1m' }];
  const seen = await limits.run('k', rules, () => used('k', SLOTS), { cost: 9 });
  t.is(seen, 1);
  t.is(await limits.run('k', SLOTS, () => used('k', SLOTS), { cost: 0 }), 0);
  t.is(chaos.verbs.filter((verb) => verb === 'rates.refund').length, 1);
});

test('a denying window holds no slot, and a missing slot takes nothing from a window', async (t) => {
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

test('close releases every slot and stops the renewals', async (t) => {
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
