import test from 'ava';
import { OptionsError, RateLimitExceededError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import { LimitEngine } from '../../src/core/limits/limit-engine.js';
import { Limits } from '../../src/core/limits/limits.js';
import { LocalRateStore } from '../../src/core/limits/local-rate-store.js';
import type { Rule } from '../../src/core/limits/rules.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { SUBJECT, rateRule, setClock } from './algorithms/rate-rig.js';
import { deferred } from '../support/deferred.js';
import { limitRig } from './limit-rig.js';
import { settled } from '../support/settled.js';

const RULE = { limit: 4, per: '1m' } as const;

test("onUnavailable 'deny': every verb rejects with StoreUnavailableError, never RateLimitExceededError", async (t) => {
  const { limits, chaos, of } = limitRig(t, { limits: { onUnavailable: 'deny' } });
  for (const verb of ['rates.consume', 'rates.refund', 'rates.block', 'rates.reset'] as const)
    chaos.fail(verb, 'refused');
  const calls = [
    limits.consume('k', RULE),
    limits.peek('k', RULE),
    limits.run('k', RULE, () => t.fail()),
    limits.penalty('k', RULE),
    limits.refund('k', RULE),
    limits.refund('k', RULE),
    limits.block('k', '1m'),
    limits.reset('k', RULE),
  ];
  for (const call of calls) await t.throwsAsync(call, { instanceOf: StoreUnavailableError });
  t.is(of('limit').length, 0);
  t.true(of('error').some(({ operation, key }) => operation === 'limit' && key === 'k'));
});

test("onUnavailable 'allow': every call is allowed and the failure is published", async (t) => {
  const { limits, chaos, of, used } = limitRig(t, { limits: { onUnavailable: 'allow' } });
  chaos.fail('rates.consume', 'refused');
  chaos.fail('rates.refund', 'refused');
  for (let i = 0; i < 9; i++) {
    t.like(await limits.consume('k', RULE), { allowed: true, source: 'fallback', remaining: 4 });
  }
  t.is(await limits.run('k', [RULE, { algorithm: 'concurrency', limit: 1 }], () => 7), 7);
  await limits.refund('k', RULE);
  t.is(of('error').length, 11);
  t.like(of('error')[0], { operation: 'limit', key: 'k', method: undefined });
  t.is(await used('k', RULE), 0);
});

test("onUnavailable 'allow': a limit of 0 still denies", async (t) => {
  const { limits, chaos } = limitRig(t, { limits: { onUnavailable: 'allow' } });
  chaos.fail('rates.consume', 'refused');
  t.like(await limits.consume('k', { limit: 0, per: '1m' }), { allowed: false, source: 'none' });
});

test("onUnavailable 'local': this process counts and denies on its own", async (t) => {
  const { limits, chaos, clock } = limitRig(t);
  chaos.fail('rates.consume', 'refused');
  for (let i = 1; i <= 4; i++) {
    t.like(await limits.consume('k', RULE), { allowed: true, source: 'fallback', remaining: 4 - i });
  }
  t.like(await limits.peek('k', RULE), { allowed: false, source: 'fallback', retryAfterMs: 15_000 });
  t.like(await limits.consume('k', RULE), { allowed: false, source: 'fallback', retryAfterMs: 15_000 });
  await t.throwsAsync(
    limits.run('k', RULE, () => t.fail()),
    { instanceOf: RateLimitExceededError },
  );
  await clock.advance(15_000);
  t.true((await limits.consume('k', RULE)).allowed);
});

test("onUnavailable 'local': a local denial is not cached once the store answers again", async (t) => {
  const { limits, chaos } = limitRig(t);
  chaos.fail('rates.consume', 'refused');
  await limits.consume('k', RULE, { cost: 4 });
  t.false((await limits.consume('k', RULE)).allowed);
  chaos.heal();
  t.like(await limits.consume('k', RULE), { allowed: true, source: 'store' });
});

test("onUnavailable 'local': each of several processes has its share of the limit, rounded up", async (t) => {
  const { limits, chaos } = limitRig(t, { limits: { processes: 3 } });
  chaos.fail('rates.consume', 'refused');
  const through = async (rule: Rule, key: string): Promise<number> => {
    let count = 0;
    while ((await limits.consume(key, rule)).allowed) count++;
    return count;
  };
  t.is(await through({ limit: 10, per: '1h' }, 'a'), 4);
  t.is(await through({ limit: 1, per: '1h' }, 'b'), 1);
  t.is(await through({ limit: 3, per: '1h', burst: 30 }, 'c'), 10);
  t.is(await through({ algorithm: 'sliding-window-log', limit: 7, per: '1h' }, 'd'), 3);
  t.like(await limits.consume('e', { limit: 10, per: '1h' }), { limit: 4, remaining: 3 });
  t.like(await limits.consume('f', { limit: 10, per: '1h' }, { processes: 10 }), { limit: 1, remaining: 0 });
});

test("onUnavailable 'local': a call that costs more than the share takes all of it", async (t) => {
  const { limits, chaos } = limitRig(t, { limits: { processes: 4 } });
  chaos.fail('rates.consume', 'refused');
  const rules: Rule[] = [
    { limit: 8, per: '1h' },
    { limit: 100, per: '1m' },
  ];
  t.like(await limits.consume('k', rules, { cost: 8 }), { allowed: true, limit: 2, remaining: 0 });
  t.false((await limits.consume('k', rules, { cost: 1 })).allowed);
  await t.throwsAsync(limits.consume('k', rules, { cost: 9 }), { instanceOf: OptionsError });
});

test("onUnavailable 'local': penalties, refunds and resets apply locally", async (t) => {
  const { limits, chaos } = limitRig(t, { limits: { processes: 2 } });
  chaos.fail('rates.consume', 'refused');
  chaos.fail('rates.refund', 'refused');
  t.like(await limits.penalty('k', RULE, 6), {
    allowed: false,
    source: 'fallback',
    rules: { 0: { used: 6 } },
  });
  await limits.refund('k', RULE, 5);
  t.is((await limits.peek('k', RULE)).rules[0]!.used, 1);
  await limits.reset('k', RULE);
  t.is((await limits.peek('k', RULE)).rules[0]!.used, 0);
});

test("onUnavailable 'local': concurrency slots are held and released locally", async (t) => {
  const { limits, chaos, clock } = limitRig(t);
  const slots: Rule = { algorithm: 'concurrency', limit: 1, lease: '3s' };
  chaos.fail('rates.consume', 'refused');
  const release = deferred<number>();
  const first = limits.run('k', slots, () => release.promise);
  await settled();
  chaos.heal();
  chaos.fail('rates.consume', 'refused', 1);
  await clock.advance(10_000);
  await t.throwsAsync(
    limits.run('k', slots, () => t.fail()),
    { instanceOf: RateLimitExceededError },
  );
  release.resolve(7);
  t.is(await first, 7);
  t.false(chaos.verbs.includes('rates.renew'));
  chaos.fail('rates.consume', 'refused', 1);
  t.is(await limits.run('k', slots, () => 8), 8);
  t.false(chaos.verbs.includes('rates.refund'), 'the store is asked for no refund');
});

test('a flood of keys while the store is unavailable keeps at most the maximum of local keys', async (t) => {
  const store = new LocalRateStore(setClock(), { maxKeys: 100_000 }, () => {});
  const request = { subject: SUBJECT, cost: 1, token: 't', repeatable: false, force: false };
  for (let i = 0; i < 110_000; i++) {
    await store.consume({ ...request, rules: [rateRule('gcra', 1, { key: String(i) })] });
  }
  t.is(store.size, 100_000);
});

test('an error that is not a StoreUnavailableError rejects under every policy', async (t) => {
  const { limits, caching } = limitRig(t);
  await caching.close();
  const mistake = new TypeError('a defect');
  const broken = new Limits(
    new LimitEngine({
      namespace: 'broken',
      store: { consume: () => Promise.reject(mistake) } as never,
      clock: setClock(),
      defaults: { onUnavailable: 'allow' },
      enabled: true,
    }),
  );
  t.is(await t.throwsAsync(broken.consume('k', RULE)), mistake);
  t.true((await limits.consume('k', RULE)).allowed);
});

// --- lost replies --------------------------------------------------------------------------------------------------------

test('G9 rate limits: a request with a requestId whose reply is lost is sent again and charged once', async (t) => {
  const { limits, chaos, clock, of, used } = limitRig(t, { limits: { onUnavailable: 'deny' } });
  chaos.fail('rates.consume', 'reply lost', 1);
  const asking = limits.consume('k', RULE, { requestId: 'r' });
  await clock.advance(99);
  t.is(chaos.verbs.length, 1);
  await clock.advance(1);
  t.like(await asking, { allowed: true, source: 'store', remaining: 3 });
  t.is(chaos.verbs.length, 2);
  t.is(of('error').length, 0);
  t.is(await used('k', RULE), 1);
});

test('G9 rate limits: a request without a requestId is never sent twice', async (t) => {
  const { limits, chaos, used } = limitRig(t, { limits: { onUnavailable: 'deny' } });
  chaos.fail('rates.consume', 'reply lost', 1);
  await t.throwsAsync(limits.consume('k', RULE), { instanceOf: StoreUnavailableError });
  t.is(chaos.verbs.length, 1);
  t.is(await used('k', RULE), 1);
});

test('a request with a requestId is not sent again if the store was not reached', async (t) => {
  const { limits, chaos } = limitRig(t, { limits: { onUnavailable: 'deny' } });
  chaos.fail('rates.consume', 'refused', 1);
  await t.throwsAsync(limits.consume('k', RULE, { requestId: 'r' }), { instanceOf: StoreUnavailableError });
  t.is(chaos.verbs.length, 1);
});

test('a request with a requestId whose reply is lost is sent until the connection is back', async (t) => {
  const { limits, chaos, clock, used } = limitRig(t, {
    limits: { onUnavailable: 'deny', storeTimeout: '2s' },
  });
  chaos.fail('rates.consume', 'reply lost', 1);
  const asking = limits.consume('k', RULE, { requestId: 'r' });
  await clock.advance(0);
  chaos.fail('rates.consume', 'refused', 2);
  await clock.advance(700);
  t.like(await asking, { allowed: true, source: 'store', remaining: 3 });
  t.is(chaos.verbs.length, 4);
  t.is(await used('k', RULE), 1);
});

test('the error of a request with a requestId that may have been counted states that', async (t) => {
  const { limits, chaos, clock } = limitRig(t, { limits: { onUnavailable: 'deny' } });
  chaos.fail('rates.consume', 'reply lost', 1);
  const asking = t.throwsAsync(limits.consume('k', RULE, { requestId: 'r' }), {
    instanceOf: StoreUnavailableError,
  });
  await clock.advance(0);
  chaos.fail('rates.consume', 'refused', 9);
  await clock.advance(1_000);
  t.is((await asking)?.outcome, 'unknown');
});

test('G10 bounded delay: a request with a requestId is sent again only within its storeTimeout', async (t) => {
  const clock = fakeClock();
  const asked: { at: number; budget: number | undefined }[] = [];
  const start = clock.now();
  const store = {
    consume: async (_: unknown, budget?: number): Promise<never> => {
      asked.push({ at: clock.now() - start, budget });
      await new Promise<void>((resolve) => void clock.after(150, resolve));
      throw new StoreUnavailableError('lost', 'unknown');
    },
  };
  const limits = new Limits(
    new LimitEngine({
      namespace: 'n',
      store: store as never,
      clock,
      defaults: { onUnavailable: 'deny' },
      enabled: true,
    }),
  );
  const asking = [
    t.throwsAsync(limits.consume('k', RULE, { requestId: 'r', storeTimeout: 150 })),
    t.throwsAsync(limits.consume('k', RULE, { requestId: 'r', storeTimeout: 250 })),
    t.throwsAsync(limits.consume('k', RULE, { requestId: 'r', storeTimeout: 900 })),
  ];
  await clock.advance(1_000);
  await Promise.all(asking);
  t.deepEqual(
    asked.slice(0, 3),
    [150, 250, 900].map((budget) => ({ at: 0, budget })),
  );
  t.deepEqual(asked.slice(3), [
    { at: 200, budget: 50 },
    { at: 250, budget: 650 },
    { at: 600, budget: 300 },
    { at: 825, budget: 75 },
  ]);
});

test('concurrency slots that a lost request may have taken are released', async (t) => {
  const { limits, chaos, used } = limitRig(t, { limits: { onUnavailable: 'allow' } });
  const slots: Rule = { algorithm: 'concurrency', limit: 1 };
  chaos.fail('rates.consume', 'reply lost', 1);
  t.is(await limits.run('k', slots, () => 7), 7);
  await settled();
  t.is(await used('k', slots), 0);
});
