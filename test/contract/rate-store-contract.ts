import type { ExecutionContext, TestFn } from 'ava';
import { StoreUnavailableError } from '../../src/core/shared/errors.js';
import type {
  Algorithm,
  RateReply,
  RateRequest,
  RateRule,
  RateStore,
} from '../../src/core/ports/rate-store.js';
import { newToken } from '../../src/core/shared/token.js';
import { WINDOW_ALGORITHMS } from '../../src/core/limits/rules.js';

/** A store under test, with names that only one test uses. */
export interface OpenRates {
  readonly store: RateStore;
  /** Returns the subject of a key, as `rateSubject` does. */
  readonly subject: (key: string) => string;
  /** The subjects for which the opener was notified, in order. */
  woken(): readonly string[];
  /** Resolves when the opener has been notified `times` times for this subject. */
  told(subject: string, times: number): Promise<void>;
  /** Resolves when the condition holds. Time passes meanwhile. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

const ALL: readonly Algorithm[] = [...WINDOW_ALGORITHMS, 'concurrency'];
/** A window that does not end while a test runs, in ms. */
const LONG = 3_600_000;
/** A window that ends while a test runs, but not before the steps that must happen within it, in ms. */
const SHORT = 1_500;

/** The contract of `RateStore`; see src/core/ports/rate-store.ts. test/limits/algorithms tests the numbers. */
export function rateStoreContract(
  test: TestFn,
  name: string,
  open: (t: ExecutionContext) => Promise<OpenRates>,
): void {
  const it = (title: string, run: (t: ExecutionContext, opened: OpenRates) => Promise<void>): void => {
    test.serial(`${name}: ${title}`, async (t) => {
      const opened = await open(t);
      t.teardown(() => opened.close());
      await run(t, opened);
    });
  };

  // --- consume -------------------------------------------------------------------------------------------------------

  for (const algorithm of ALL) {
    it(`${algorithm} admits as many as its limit, and returns the remaining units`, async (t, {
      store,
      subject,
    }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 3 });
      for (const used of [1, 2, 3]) {
        const reading = only(await consume(store, subject('k'), [rule]));
        t.like(reading, { allowed: true, used, remaining: 3 - used });
        t.is(reading.retryAfterMs > 0, used === 3);
        t.true(reading.resetMs > 0 && reading.resetMs <= 2 * LONG);
      }
      const refused = only(await consume(store, subject('k'), [rule]));
      t.like(refused, { allowed: false, used: 3, remaining: 0 });
      t.true(refused.retryAfterMs > 0 && refused.retryAfterMs <= 2 * LONG);
      t.true(
        only(await consume(store, subject('other'), [{ ...rule, key: `${subject('other')}:r` }])).allowed,
      );
    });

    it(`${algorithm}: a denied call, or one at cost 0, takes nothing`, async (t, { store, subject }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2 });
      const look = async (): Promise<number> =>
        only(await consume(store, subject('k'), [rule], { cost: 0 })).used;
      t.is(await look(), 0);
      await consume(store, subject('k'), [rule]);
      t.is(await look(), 1);
      if (algorithm !== 'concurrency') {
        t.false(only(await consume(store, subject('k'), [rule], { cost: 2 })).allowed);
        t.is(await look(), 1);
      }
      t.true(only(await consume(store, subject('k'), [rule])).allowed);
      t.false(only(await consume(store, subject('k'), [rule])).allowed);
      t.is(await look(), 2);
    });

    it(`G9 rate limits: ${algorithm}: of a hundred concurrent calls exactly the limit is admitted`, async (t, {
      store,
      subject,
    }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 37 });
      const replies = await Promise.all(
        Array.from({ length: 100 }, () => consume(store, subject('k'), [rule])),
      );
      t.is(replies.filter((reply) => only(reply).allowed).length, 37);
      t.deepEqual(
        replies.slice(0, 37).map((reply) => only(reply).used),
        Array.from({ length: 37 }, (_, i) => i + 1),
        'they are answered in the order in which they came',
      );
    });

    it(`${algorithm} has capacity again when time has passed`, async (t, { store, subject, until }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2, perMs: SHORT });
      await consume(store, subject('k'), [rule]);
      await consume(store, subject('k'), [rule]);
      const { retryAfterMs, resetMs } = only(await consume(store, subject('k'), [rule], { cost: 0 }));
      t.true(retryAfterMs <= resetMs && resetMs <= 2 * SHORT);
      await until('room again', async () => only(await consume(store, subject('k'), [rule])).allowed);
      await until(
        'nothing counts any more',
        async () => only(await consume(store, subject('k'), [rule], { cost: 0 })).used === 0,
      );
      t.like(only(await consume(store, subject('k'), [rule], { cost: 0 })), { remaining: 2, resetMs: 0 });
    });

    it(`${algorithm}: forced units are taken beyond the limit`, async (t, { store, subject }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2 });
      for (let i = 0; i < 3; i++) await consume(store, subject('k'), [rule], { force: true });
      const reply = only(await consume(store, subject('k'), [rule], { force: true }));
      // A log keeps at most `limit` entries, the newest ones. They determine when there is capacity again.
      t.like(reply, { allowed: false, used: algorithm === 'sliding-window-log' ? 2 : 4, remaining: 0 });
    });
  }

  for (const algorithm of ['gcra', 'token-bucket'] as const) {
    it(`${algorithm} admits its burst at once`, async (t, { store, subject }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 2, burst: 5 });
      t.like(only(await consume(store, subject('k'), [rule], { cost: 4 })), { used: 4, remaining: 1 });
      t.true(only(await consume(store, subject('k'), [rule])).allowed);
      t.false(only(await consume(store, subject('k'), [rule])).allowed);
    });
  }

  it('G9 rate limits: all rules are charged, or none', async (t, { store, subject }) => {
    const rules = ALL.map((algorithm) => ruleOf(subject('k'), { algorithm, limit: 5, name: algorithm }));
    const small = ruleOf(subject('k'), { algorithm: 'fixed-window', limit: 1, name: 'small' });
    const before = await consume(store, subject('k'), [...rules, small]);
    t.deepEqual(
      before.rules.map(({ allowed, used }) => [allowed, used]),
      [...rules, small].map(() => [true, 1]),
    );
    const refused = await consume(store, subject('k'), [...rules, small]);
    t.deepEqual(
      refused.rules.map(({ allowed, used }) => [allowed, used]),
      [...rules.map(() => [true, 1]), [false, 1]],
    );
  });

  it('serves many concurrent calls of different subjects and kinds, each with its own reply', async (t, {
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
      t.is(reply.blockedMs, 0);
      t.deepEqual(
        reply.rules.map(({ used }) => used),
        rules.map(({ algorithm }) => (algorithm === 'concurrency' ? Math.min(1, cost) : cost)),
      );
    });
  });

  it('units that another algorithm counted under the same name do not count', async (t, {
    store,
    subject,
  }) => {
    for (const before of ALL) {
      for (const after of ALL) {
        const of = subject(`${before} ${after}`);
        const rule = ruleOf(of, { algorithm: before, limit: 9 });
        await consume(store, of, [rule]);
        const { used } = only(await consume(store, of, [{ ...rule, algorithm: after }]));
        const same =
          before === after || [before, after].every((one) => one === 'gcra' || one === 'token-bucket');
        t.is(used, same ? 2 : 1, `${before} then ${after}`);
      }
    }
  });

  // --- repeatable ----------------------------------------------------------------------------------------------------

  it('answers a repeated request like the first one and charges it once', async (t, { store, subject }) => {
    const rules = ALL.map((algorithm) => ruleOf(subject('k'), { algorithm, limit: 3, name: algorithm }));
    const token = newToken();
    const first = await consume(store, subject('k'), rules, { token, repeatable: true });
    await consume(store, subject('k'), rules);
    t.deepEqual(await consume(store, subject('k'), rules, { token, repeatable: true }), first);
    const others = [ruleOf(subject('other'), { algorithm: 'gcra', limit: 9 })];
    const [again, other] = await Promise.all([
      consume(store, subject('k'), rules, { token, repeatable: true }),
      consume(store, subject('other'), others, { token, repeatable: true }),
    ]);
    t.deepEqual(again, first);
    t.is(only(other).remaining, 8, 'another subject has another memory');
    const both = { token: newToken(), repeatable: true };
    const rule = ruleOf(subject('two'), { algorithm: 'gcra', limit: 3 });
    const [one, two] = await Promise.all([
      consume(store, subject('two'), [rule], both),
      consume(store, subject('two'), [rule], both),
    ]);
    t.deepEqual(one, two, 'at the same moment too');
    t.is(only(await consume(store, subject('two'), [rule], { cost: 0 })).used, 1);
  });

  it('does not remember the reply to a request that took nothing', async (t, { store, subject }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'fixed-window', limit: 1 });
    const repeated = { token: newToken(), repeatable: true };
    await consume(store, subject('k'), [rule], { cost: 0, ...repeated });
    await consume(store, subject('k'), [rule], { token: 'other' });
    t.false(only(await consume(store, subject('k'), [rule], repeated)).allowed);
    await refund(store, subject('k'), [rule], { token: 'other' });
    t.true(only(await consume(store, subject('k'), [rule], repeated)).allowed);
  });

  it('forgets the reply to a request whose units are refunded', async (t, { store, subject }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'sliding-window-log', limit: 3 });
    const repeated = { token: newToken(), repeatable: true };
    await consume(store, subject('k'), [rule], repeated);
    await refund(store, subject('k'), [rule], { token: repeated.token });
    t.is(only(await consume(store, subject('k'), [rule], repeated)).used, 1);
    t.is(only(await consume(store, subject('k'), [rule], { cost: 0 })).used, 1);
  });

  // --- refund --------------------------------------------------------------------------------------------------------

  for (const algorithm of WINDOW_ALGORITHMS) {
    it(`${algorithm} has capacity for refunded units, and never for more than its limit`, async (t, {
      store,
      subject,
    }) => {
      const rule = ruleOf(subject('k'), { algorithm, limit: 5 });
      await consume(store, subject('k'), [rule], { cost: 5 });
      await refund(store, subject('k'), [rule], { cost: 2 });
      t.like(only(await consume(store, subject('k'), [rule], { cost: 0 })), { used: 3, remaining: 2 });
      await refund(store, subject('k'), [rule], { cost: 100 });
      t.like(only(await consume(store, subject('k'), [rule], { cost: 0 })), {
        used: 0,
        remaining: 5,
        resetMs: 0,
      });
      await refund(store, subject('k'), [rule], { cost: 1 });
      t.is(only(await consume(store, subject('k'), [rule], { cost: 5 })).remaining, 0);
    });
  }

  it('semaphore: only the owner releases a slot', async (t, { store, subject }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 1 });
    await consume(store, subject('k'), [rule], { token: 'owner' });
    await refund(store, subject('k'), [rule], { token: 'stranger', cost: 5 });
    t.false(only(await consume(store, subject('k'), [rule])).allowed);
    await refund(store, subject('k'), [rule], { token: 'owner' });
    t.true(only(await consume(store, subject('k'), [rule])).allowed);
  });

  it('semaphore: a call holds one slot at any cost and however often it is repeated', async (t, {
    store,
    subject,
  }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 1 });
    for (const cost of [7, 1]) {
      const reading = only(await consume(store, subject('k'), [rule], { token: 'owner', cost }));
      t.like(reading, { allowed: true, used: 1, remaining: 0 });
    }
  });

  it('a refund wakes waiting calls; with wakeOnlyIfFull only if a concurrency rule was full', async (t, {
    store,
    subject,
    woken,
    told,
  }) => {
    const slots = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2 });
    const rules = [ruleOf(subject('k'), { algorithm: 'gcra', limit: 5, name: 'g' }), slots];
    await consume(store, subject('k'), rules, { token: 'a' });
    await refund(store, subject('k'), rules, { token: 'a', wakeOnlyIfFull: true });
    await consume(store, subject('k'), rules, { token: 'a' });
    await refund(store, subject('k'), rules, { token: 'a' });
    await told(subject('k'), 1);
    t.deepEqual(woken(), [subject('k')], 'the quiet one was not told');
    await consume(store, subject('k'), rules, { token: 'a' });
    await consume(store, subject('k'), rules, { token: 'b' });
    await refund(store, subject('k'), rules, { token: 'a', wakeOnlyIfFull: true });
    await told(subject('k'), 2);
  });

  // --- renew ---------------------------------------------------------------------------------------------------------

  it('semaphore: a renewed slot does not end, and an ended slot is not renewed', async (t, {
    store,
    subject,
    until,
  }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2, perMs: SHORT });
    const other = ruleOf(subject('k'), { algorithm: 'gcra', limit: 2, name: 'other' });
    await consume(store, subject('k'), [rule], { token: 'dead' });
    await consume(store, subject('k'), [rule], { token: 'alive' });
    await until('the slot that nobody renews has ended', async () => {
      t.true(await store.renew([rule, other], 'alive'));
      return only(await consume(store, subject('k'), [rule], { cost: 0 })).used === 1;
    });
    t.false(await store.renew([rule], 'dead'));
    t.false(await store.renew([rule], 'nobody'));
    t.true(await store.renew([other], 'nobody'), 'nothing but slots is renewed');
  });

  it('semaphore: renews the existing slots even if another one is gone', async (t, { store, subject }) => {
    const here = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2, name: 'here', perMs: 30_000 });
    const gone = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2, name: 'gone' });
    await consume(store, subject('k'), [here], { token: 'a' });
    t.false(await store.renew([gone, { ...here, perMs: LONG }], 'a'));
    t.true(only(await consume(store, subject('k'), [here], { cost: 0 })).resetMs > 30_000);
  });

  // --- block and reset -----------------------------------------------------------------------------------------------

  it('a block denies all calls of its subject, takes nothing, and ends', async (t, {
    store,
    subject,
    until,
  }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'gcra', limit: 2 });
    await store.block(subject('k'), LONG);
    const refused = await consume(store, subject('k'), [rule]);
    t.true(refused.blockedMs > LONG - 60_000 && refused.blockedMs <= LONG);
    t.like(only(refused), { allowed: true, used: 0 });
    t.is((await consume(store, subject('other'), [])).blockedMs, 0);
    t.is(
      only(await consume(store, subject('k'), [rule], { force: true })).used,
      1,
      'what is forced is taken',
    );
    await store.block(subject('k'), 300);
    await until(
      'the block has ended',
      async () => (await consume(store, subject('k'), [], {})).blockedMs === 0,
    );
    await store.block(subject('k'), LONG);
    await store.block(subject('k'), 0);
    t.is((await consume(store, subject('k'), [rule], { cost: 0 })).blockedMs, 0);
  });

  it('a reset removes counts and block', async (t, { store, subject }) => {
    const rules = ALL.map((algorithm) => ruleOf(subject('k'), { algorithm, limit: 1, name: algorithm }));
    await consume(store, subject('k'), rules);
    await store.block(subject('k'), LONG);
    await store.reset(subject('k'), rules.map(({ key }) => key).slice(1));
    const reply = await consume(store, subject('k'), rules, { cost: 0 });
    t.is(reply.blockedMs, 0);
    t.deepEqual(
      reply.rules.map(({ used }) => used),
      [1, 0, 0, 0, 0, 0],
    );
  });

  it('a block and a reset wake waiting calls', async (t, { store, subject, told, woken }) => {
    await store.block(subject('k'), LONG);
    await told(subject('k'), 1);
    await store.reset(subject('k'), []);
    await told(subject('k'), 2);
    t.deepEqual(woken(), [subject('k'), subject('k')]);
  });

  // --- all verbs -----------------------------------------------------------------------------------------------------

  it('fails when it is closed', async (t, { store, subject, close }) => {
    const rule = ruleOf(subject('k'), { algorithm: 'concurrency', limit: 2 });
    await close();
    const calls = [
      () => consume(store, subject('k'), [rule]),
      () => refund(store, subject('k'), [rule]),
      () => store.renew([rule], 'a'),
      () => store.block(subject('k'), LONG),
      () => store.reset(subject('k'), [rule.key]),
    ];
    for (const call of calls) {
      const error = await t.throwsAsync(call, { instanceOf: StoreUnavailableError });
      t.is(error.outcome, 'refused');
    }
  });
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
