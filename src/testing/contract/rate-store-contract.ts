import assert from 'node:assert/strict';
import type { Algorithm, RateReply, RateRequest, RateRule, RateStore } from '../../core/ports/rate-store.js';
import { newToken } from '../../core/shared/token.js';
import { WINDOW_ALGORITHMS } from '../../core/limits/rules.js';
import { testsOf, type ContractOptions, type ContractTest, type OpenAdapter } from './contract-test.js';
import { assertLike, assertRefused, contractTest, type OpenedAdapter } from './opened-adapter.js';

interface OpenedRates extends OpenedAdapter {
  readonly store: RateStore;
}

const ALL: readonly Algorithm[] = [...WINDOW_ALGORITHMS, 'concurrency'];
/** A window that does not end while a test runs, in ms. */
const LONG = 3_600_000;
/** A window that ends while a test runs, but not before the steps that must happen within it, in ms. */
const SHORT = 1_500;

/**
 * The contract of `RateStore`. It does not check the numbers of each algorithm in detail.
 *
 * @throws OptionsError
 */
export function rateStoreContract(open: OpenAdapter, options: ContractOptions = {}): readonly ContractTest[] {
  return testsOf('rateStoreContract', options, () => rateStoreTests(open));
}

function rateStoreTests(open: OpenAdapter): readonly ContractTest[] {
  const tests: ContractTest[] = [];
  const it = (title: string, test: (opened: OpenedRates) => Promise<void>): void => {
    tests.push(contractTest(open, title, (opened) => test({ ...opened, store: opened.backend.rates })));
  };

  // --- consume -------------------------------------------------------------------------------------------------------

  for (const algorithm of ALL) {
    it(`${algorithm} admits as many as its limit, and returns the remaining units`, async ({
      store,
      subject,
    }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 3 });
      for (const used of [1, 2, 3]) {
        const reading = only(await consume(store, subject('k'), [rule]));
        assertLike(reading, { allowed: true, used, remaining: 3 - used });
        assert.equal(reading.retryAfterMs > 0, used === 3);
        assert.ok(reading.resetMs > 0 && reading.resetMs <= 2 * LONG);
      }
      const refused = only(await consume(store, subject('k'), [rule]));
      assertLike(refused, { allowed: false, used: 3, remaining: 0 });
      assert.ok(refused.retryAfterMs > 0 && refused.retryAfterMs <= 2 * LONG);
      assert.ok(
        only(await consume(store, subject('other'), [{ ...rule, key: `${subject('other')}:r` }])).allowed,
      );
    });

    it(`${algorithm}: a denied call, or one at cost 0, takes nothing`, async ({ store, subject }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2 });
      const look = async (): Promise<number> =>
        only(await consume(store, subject('k'), [rule], { cost: 0 })).used;
      assert.equal(await look(), 0);
      await consume(store, subject('k'), [rule]);
      assert.equal(await look(), 1);
      if (algorithm !== 'concurrency') {
        assert.equal(only(await consume(store, subject('k'), [rule], { cost: 2 })).allowed, false);
        assert.equal(await look(), 1);
      }
      assert.ok(only(await consume(store, subject('k'), [rule])).allowed);
      assert.equal(only(await consume(store, subject('k'), [rule])).allowed, false);
      assert.equal(await look(), 2);
    });

    it(`G9 rate limits: ${algorithm}: of a hundred concurrent calls exactly the limit is admitted`, async ({
      store,
      subject,
    }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 37 });
      const replies = await Promise.all(
        Array.from({ length: 100 }, () => consume(store, subject('k'), [rule])),
      );
      assert.equal(replies.filter((reply) => only(reply).allowed).length, 37);
      assert.deepEqual(
        replies.slice(0, 37).map((reply) => only(reply).used),
        Array.from({ length: 37 }, (_, i) => i + 1),
        'they are answered in the order in which they came',
      );
    });

    it(`${algorithm} has capacity again when time has passed`, async ({ store, subject, until }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2, perMs: SHORT });
      await consume(store, subject('k'), [rule]);
      await consume(store, subject('k'), [rule]);
      const { retryAfterMs, resetMs } = only(await consume(store, subject('k'), [rule], { cost: 0 }));
      assert.ok(retryAfterMs <= resetMs && resetMs <= 2 * SHORT);
      await until('room again', async () => only(await consume(store, subject('k'), [rule])).allowed);
      await until(
        'nothing counts any more',
        async () => only(await consume(store, subject('k'), [rule], { cost: 0 })).used === 0,
      );
      assertLike(only(await consume(store, subject('k'), [rule], { cost: 0 })), { remaining: 2, resetMs: 0 });
    });

    it(`${algorithm}: forced units are taken beyond the limit`, async ({ store, subject }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2 });
      for (let i = 0; i < 3; i++) await consume(store, subject('k'), [rule], { force: true });
      const reply = only(await consume(store, subject('k'), [rule], { force: true }));
      // A log keeps at most `limit` entries, the newest ones. They determine when there is capacity again.
      assertLike(reply, { allowed: false, used: algorithm === 'sliding-window-log' ? 2 : 4, remaining: 0 });
    });
  }

  for (const algorithm of ['gcra', 'token-bucket'] as const) {
    it(`${algorithm} admits its burst at once`, async ({ store, subject }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2, burst: 5 });
      assertLike(only(await consume(store, subject('k'), [rule], { cost: 4 })), { used: 4, remaining: 1 });
      assert.ok(only(await consume(store, subject('k'), [rule])).allowed);
      assert.equal(only(await consume(store, subject('k'), [rule])).allowed, false);
    });
  }

  it('G9 rate limits: all rules are charged, or none', async ({ store, subject }) => {
    const rules = ALL.map((algorithm) => ruleOf(subject('k'), { algorithm, limit: 5, name: algorithm }));
    const small = ruleOf(subject('k'), { algorithm: 'fixed-window', limit: 1, name: 'small' });
    const before = await consume(store, subject('k'), [...rules, small]);
    assert.deepEqual(
      before.rules.map(({ allowed, used }) => [allowed, used]),
      [...rules, small].map(() => [true, 1]),
    );
    const refused = await consume(store, subject('k'), [...rules, small]);
    assert.deepEqual(
      refused.rules.map(({ allowed, used }) => [allowed, used]),
      [...rules.map(() => [true, 1]), [false, 1]],
    );
  });

  it('serves many concurrent calls of different subjects and kinds, each with its own reply', async ({
    store,
    subject,
  }) => {
    const calls = Array.from({ length: 300 }, (_, i) => {
      const of = subject(`k${i}`);
      const rules = ALL.slice(0, 1 + (i % ALL.length)).map((algorithm) =>
        ruleOf(of, { algorithm, limit: 10 + (i % 3), name: algorithm }),
      );
      return { of, rules, cost: i % 4 };
    });
    const replies = await Promise.all(
      calls.map(({ of, rules, cost }) => consume(store, of, rules, { cost, repeatable: cost === 2 })),
    );
    replies.forEach((reply, i) => {
      const { rules, cost } = calls[i]!;
      assert.equal(reply.blockedMs, 0);
      assert.deepEqual(
        reply.rules.map(({ used }) => used),
        rules.map(({ algorithm }) => (algorithm === 'concurrency' ? Math.min(1, cost) : cost)),
      );
    });
  });

  it('units that another algorithm counted under the same name do not count', async ({ store, subject }) => {
    for (const before of ALL) {
      for (const after of ALL) {
        const of = subject(`${before} ${after}`);
        const rule = ruleOf(of, { algorithm: before, limit: 9 });
        await consume(store, of, [rule]);
        const { used } = only(await consume(store, of, [{ ...rule, algorithm: after }]));
        const same =
          before === after || [before, after].every((one) => one === 'gcra' || one === 'token-bucket');
        assert.equal(used, same ? 2 : 1, `${before} then ${after}`);
      }
    }
  });

  // --- repeatable ----------------------------------------------------------------------------------------------------

  it('answers a repeated request like the first one and charges it once', async ({ store, subject }) => {
    const rules = ALL.map((algorithm) => ruleOf(subject('k'), { algorithm, limit: 3, name: algorithm }));
    const token = newToken();
    const first = await consume(store, subject('k'), rules, { token, repeatable: true });
    await consume(store, subject('k'), rules);
    assert.deepEqual(await consume(store, subject('k'), rules, { token, repeatable: true }), first);
    const others = [ruleOf(subject('other'), { algorithm: 'gcra', limit: 9 })];
    const [again, other] = await Promise.all([
      consume(store, subject('k'), rules, { token, repeatable: true }),
      consume(store, subject('other'), others, { token, repeatable: true }),
    ]);
    assert.deepEqual(again, first);
    assert.equal(only(other).remaining, 8, 'another subject has another memory');
    const both = { token: newToken(), repeatable: true };
    const rule = ruleOf(subject('two'), { algorithm: 'gcra', limit: 3 });
    const [one, two] = await Promise.all([
      consume(store, subject('two'), [rule], both),
      consume(store, subject('two'), [rule], both),
    ]);
    assert.deepEqual(one, two, 'at the same moment too');
    assert.equal(only(await consume(store, subject('two'), [rule], { cost: 0 })).used, 1);
  });

  it('does not remember the reply to a request that took nothing', async ({ store, subject }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'fixed-window', limit: 1 });
    const repeated = { token: newToken(), repeatable: true };
    await consume(store, subject('k'), [rule], { cost: 0, ...repeated });
    await consume(store, subject('k'), [rule], { token: 'other' });
    assert.equal(only(await consume(store, subject('k'), [rule], repeated)).allowed, false);
    await refund(store, subject('k'), [rule], { token: 'other' });
    assert.ok(only(await consume(store, subject('k'), [rule], repeated)).allowed);
  });

  it('forgets the reply to a request whose units are refunded', async ({ store, subject }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'sliding-window-log', limit: 3 });
    const repeated = { token: newToken(), repeatable: true };
    await consume(store, subject('k'), [rule], repeated);
    await refund(store, subject('k'), [rule], { token: repeated.token });
    assert.equal(only(await consume(store, subject('k'), [rule], repeated)).used, 1);
    assert.equal(only(await consume(store, subject('k'), [rule], { cost: 0 })).used, 1);
  });

  // --- refund --------------------------------------------------------------------------------------------------------

  for (const algorithm of WINDOW_ALGORITHMS) {
    it(`${algorithm} has capacity for refunded units, and never for more than its limit`, async ({
      store,
      subject,
    }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 5 });
      await consume(store, subject('k'), [rule], { cost: 5 });
      await refund(store, subject('k'), [rule], { cost: 2 });
      assertLike(only(await consume(store, subject('k'), [rule], { cost: 0 })), { used: 3, remaining: 2 });
      await refund(store, subject('k'), [rule], { cost: 100 });
      assertLike(only(await consume(store, subject('k'), [rule], { cost: 0 })), {
        used: 0,
        remaining: 5,
        resetMs: 0,
      });
      await refund(store, subject('k'), [rule], { cost: 1 });
      assert.equal(only(await consume(store, subject('k'), [rule], { cost: 5 })).remaining, 0);
    });
  }

  it('semaphore: only the owner releases a slot', async ({ store, subject }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 1 });
    await consume(store, subject('k'), [rule], { token: 'owner' });
    await refund(store, subject('k'), [rule], { token: 'stranger', cost: 5 });
    assert.equal(only(await consume(store, subject('k'), [rule])).allowed, false);
    await refund(store, subject('k'), [rule], { token: 'owner' });
    assert.ok(only(await consume(store, subject('k'), [rule])).allowed);
  });

  it('semaphore: a call holds one slot at any cost and however often it is repeated', async ({
    store,
    subject,
  }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 1 });
    for (const cost of [7, 1]) {
      const reading = only(await consume(store, subject('k'), [rule], { token: 'owner', cost }));
      assertLike(reading, { allowed: true, used: 1, remaining: 0 });
    }
  });

  it('a refund wakes waiting calls; with wakeOnlyIfFull only if a concurrency rule was full', async ({
    store,
    subject,
    woken,
    toldTimes,
    listening,
  }) => {
    await listening(subject('k'));
    const slots = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2 });
    const rules = [ruleOf(subject('k'), { algorithm: 'gcra', limit: 5, name: 'g' }), slots];
    await consume(store, subject('k'), rules, { token: 'a' });
    await refund(store, subject('k'), rules, { token: 'a', wakeOnlyIfFull: true });
    await consume(store, subject('k'), rules, { token: 'a' });
    await refund(store, subject('k'), rules, { token: 'a' });
    await toldTimes(subject('k'), 1);
    assert.deepEqual(woken(), [subject('k')], 'the quiet one was not told');
    await consume(store, subject('k'), rules, { token: 'a' });
    await consume(store, subject('k'), rules, { token: 'b' });
    await refund(store, subject('k'), rules, { token: 'a', wakeOnlyIfFull: true });
    await toldTimes(subject('k'), 2);
  });

  // --- renew ---------------------------------------------------------------------------------------------------------

  it('semaphore: a renewed slot does not end, and an ended slot is not renewed', async ({
    store,
    subject,
    until,
  }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2, perMs: SHORT });
    const other = ruleOf(subject('k'), { algorithm: 'gcra', limit: 2, name: 'other' });
    await consume(store, subject('k'), [rule], { token: 'dead' });
    await consume(store, subject('k'), [rule], { token: 'alive' });
    await until('the slot that nobody renews has ended', async () => {
      assert.ok(await store.renew([rule, other], 'alive'));
      return only(await consume(store, subject('k'), [rule], { cost: 0 })).used === 1;
    });
    assert.equal(await store.renew([rule], 'dead'), false);
    assert.equal(await store.renew([rule], 'nobody'), false);
    assert.ok(await store.renew([other], 'nobody'), 'nothing but slots is renewed');
  });

  it('semaphore: renews the existing slots even if another one is gone', async ({ store, subject }) => {
    const here = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2, name: 'here', perMs: 30_000 });
    const gone = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2, name: 'gone' });
    await consume(store, subject('k'), [here], { token: 'a' });
    assert.equal(await store.renew([gone, { ...here, perMs: LONG }], 'a'), false);
    assert.ok(only(await consume(store, subject('k'), [here], { cost: 0 })).resetMs > 30_000);
  });

  // --- block and reset -----------------------------------------------------------------------------------------------

  it('a block denies all calls of its subject, takes nothing, and ends', async ({
    store,
    subject,
    until,
  }) => {
    const rules = (['gcra', 'fixed-window'] as const).map((algorithm) =>
      ruleOf(subject('k'), { algorithm, limit: 2, name: algorithm }),
    );
    await store.block(subject('k'), LONG);
    assert.equal((await consume(store, subject('other'), [])).blockedMs, 0);
    for (const rule of rules) {
      const refused = await consume(store, subject('k'), [rule]);
      assert.ok(refused.blockedMs > LONG - 60_000 && refused.blockedMs <= LONG);
      assertLike(only(refused), { allowed: true, used: 0 });
      const forced = await consume(store, subject('k'), [rule], { force: true });
      assert.equal(only(forced).used, 1, 'what is forced is taken');
    }
    await store.block(subject('k'), 300);
    await until(
      'the block has ended',
      async () => (await consume(store, subject('k'), [], {})).blockedMs === 0,
    );
    await store.block(subject('k'), LONG);
    await store.block(subject('k'), 0);
    assert.equal((await consume(store, subject('k'), rules, { cost: 0 })).blockedMs, 0);
  });

  it('a reset removes counts and block', async ({ store, subject }) => {
    const rules = ALL.map((algorithm) => ruleOf(subject('k'), { algorithm, limit: 1, name: algorithm }));
    await consume(store, subject('k'), rules);
    await store.block(subject('k'), LONG);
    await store.reset(subject('k'), rules.map(({ key }) => key).slice(1));
    const reply = await consume(store, subject('k'), rules, { cost: 0 });
    assert.equal(reply.blockedMs, 0);
    assert.deepEqual(
      reply.rules.map(({ used }) => used),
      [1, 0, 0, 0, 0, 0],
    );
  });

  it('a block and a reset wake waiting calls', async ({ store, subject, toldTimes, woken }) => {
    await store.block(subject('k'), LONG);
    await toldTimes(subject('k'), 1);
    await store.reset(subject('k'), []);
    await toldTimes(subject('k'), 2);
    assert.deepEqual(woken(), [subject('k'), subject('k')]);
  });

  // --- all verbs -----------------------------------------------------------------------------------------------------

  it('fails when it is closed', async ({ store, subject, close }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2 });
    await close();
    await assertRefused({
      consume: () => consume(store, subject('k'), [rule]),
      refund: () => refund(store, subject('k'), [rule]),
      renew: () => store.renew([rule], 'a'),
      block: () => store.block(subject('k'), LONG),
      reset: () => store.reset(subject('k'), [rule.key]),
    });
  });

  return tests;
}

/** Returns a rule whose key belongs to this subject. */
function ruleOf(
  subject: string,
  {
    algorithm,
    limit,
    name = 'r',
    perMs = LONG,
    burst = limit,
  }: Partial<RateRule> & {
    readonly algorithm: Algorithm;
    readonly limit: number;
    readonly name?: string;
  },
): RateRule {
  return { key: `${subject}:${name}`, algorithm, limit, perMs, burst };
}

function consume(
  store: RateStore,
  subject: string,
  rules: readonly RateRule[],
  request: Partial<RateRequest> = {},
): Promise<RateReply> {
  const usual = { cost: 1, token: newToken(), repeatable: false, force: false };
  return store.consume({ subject, rules, ...usual, ...request });
}

function refund(
  store: RateStore,
  subject: string,
  rules: readonly RateRule[],
  request: Partial<Parameters<RateStore['refund']>[0]> = {},
): Promise<void> {
  return store.refund({ subject, rules, cost: 1, token: newToken(), wakeOnlyIfFull: false, ...request });
}

/** Returns the reading of the only rule. */
function only({ rules }: RateReply): RateReply['rules'][number] {
  const [reading] = rules;
  if (reading === undefined || rules.length > 1) throw new Error(`Expected one reading: ${rules.length}.`);
  return reading;
}
