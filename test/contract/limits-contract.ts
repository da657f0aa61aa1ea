import type { ExecutionContext, TestFn } from 'ava';
import type { Caching, CachingOptions } from '../../src/core/caching.js';
import { RateLimitExceededError } from '../../src/core/shared/errors.js';
import { deferred } from '../support/deferred.js';
import { WINDOW_ALGORITHMS, type Rule } from '../../src/core/limits/rules.js';

export interface OpenLimits {
  /** All on one store. */
  readonly cachings: readonly Caching[];
  /** Resolves when the condition holds. It must hold within a few seconds. Time passes meanwhile. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>;
}

type Open = (
  t: ExecutionContext,
  count: number,
  options: Pick<CachingOptions, 'limits'>,
) => Promise<OpenLimits>;

/** The window is so long that no units expire while a test runs. */
const RULE = { algorithm: 'fixed-window', limit: 3, per: '1h' } as const;
const SLOTS = { algorithm: 'concurrency', limit: 2 } as const;

/** The contract of `Caching.limits`, for every adapter. test/limits/algorithms tests the numbers. */
export function limitsContract(test: TestFn, name: string, open: Open): void {
  interface Given {
    readonly limits: Caching['limits'];
    /** Another `Caching` on the same store, like another process. */
    readonly other: Caching['limits'];
    readonly until: OpenLimits['until'];
  }
  const it = (title: string, run: (t: ExecutionContext, given: Given) => Promise<void>): void => {
    test.serial(`${name}: limits: ${title}`, async (t) => {
      // Unavailability is not part of the contract. With `deny` an unavailable store cannot look like an admission.
      const { cachings, until } = await open(t, 2, { limits: { onUnavailable: 'deny' } });
      await run(t, { limits: cachings[0]!.limits, other: cachings[1]!.limits, until });
    });
  };

  for (const algorithm of WINDOW_ALGORITHMS) {
    it(`G9 rate limits: ${algorithm}: all processes together take exactly the limit`, async (t, {
      limits,
      other,
    }) => {
      const rule: Rule = { algorithm, limit: 25, per: '1h' };
      const calls = Array.from({ length: 80 }, (_, i) => (i % 2 === 0 ? limits : other).consume('k', rule));
      const decisions = await Promise.all(calls);
      t.is(decisions.filter(({ allowed }) => allowed).length, 25);
      t.like(await other.peek('k', rule), { allowed: false, remaining: 0, source: 'store' });
    });

    it(`${algorithm}: there is capacity after retryAfterMs`, async (t, { limits, until }) => {
      const rule: Rule = { algorithm, limit: 2, per: '1s' };
      let decision = await limits.consume('k', rule, { cost: 2 });
      while (decision.allowed) decision = await limits.consume('k', rule);
      const { retryAfterMs } = decision;
      t.true(retryAfterMs > 0 && retryAfterMs <= 2_000);
      await until('room again', async () => (await limits.consume('k', rule)).allowed);
    });
  }

  it('G9 rate limits: all rules are charged, or none', async (t, { limits, other }) => {
    const narrow = { ...RULE, name: 'narrow', limit: 1 };
    const rules = [RULE, narrow, { limit: 5, per: '1h' }] as const;
    t.true((await limits.consume('k', rules)).allowed);
    t.like(await other.consume('k', rules), { allowed: false, rule: 'narrow', limit: 1, remaining: 0 });
    t.is((await other.peek('k', RULE)).rules[0]!.used, 1);
  });

  it('a denial is cached until another process refunds units', async (t, { limits, other, until }) => {
    await other.consume('k', RULE, { cost: 3 });
    t.like(await limits.consume('k', RULE), { allowed: false, source: 'store' });
    t.like(await limits.consume('k', RULE), { allowed: false, source: 'denialCache' });
    await other.reset('k', RULE);
    await until('the refusal is forgotten', async () => (await limits.consume('k', RULE)).allowed);
  });

  it('refunds and penalties apply in every process', async (t, { limits, other }) => {
    await limits.penalty('k', RULE, 5);
    t.like(await other.peek('k', RULE), { allowed: false, rules: { 0: { used: 5 } } });
    await other.refund('k', RULE, 3);
    t.like(await limits.peek('k', RULE), { allowed: true, remaining: 1 });
    await limits.refund('k', RULE, 9);
    t.like(await other.peek('k', RULE), { remaining: 3, resetMs: 0 });
  });

  it('a block denies in every process until it is reset', async (t, { limits, other, until }) => {
    await limits.block('k', '1h');
    const refused = await other.consume('k', RULE);
    t.like(refused, { allowed: false, rule: 'block', source: 'store', remaining: 0 });
    t.true(refused.retryAfterMs > 3_500_000 && refused.retryAfterMs <= 3_600_000);
    await limits.reset('k', RULE);
    await until('the block is forgotten', async () => (await other.consume('k', RULE)).allowed);
  });

  it('a block ends on its own', async (t, { limits, until }) => {
    await limits.block('k', '2s');
    t.is((await limits.consume('k', RULE)).rule, 'block');
    await until('the block is over', async () => (await limits.consume('k', RULE)).allowed);
  });

  it('G9 rate limits: a repeated requestId gets the same decision and is charged once, in every process', async (t, {
    limits,
    other,
  }) => {
    const requestId = '{x} \ud800 *';
    const first = await limits.consume('k', RULE, { requestId });
    t.deepEqual(await other.consume('k', RULE, { requestId }), first);
    t.is((await other.peek('k', RULE)).rules[0]!.used, 1);
    await other.refund('k', RULE, 1, { requestId });
    t.is((await other.peek('k', RULE)).rules[0]!.used, 0);
    t.true((await limits.consume('k', RULE, { requestId })).allowed);
    t.is((await other.peek('k', RULE)).rules[0]!.used, 1);
  });

  it('different keys count separately', async (t, { limits, other }) => {
    const keys = ['a:b', 'a', '{a}', '*', 'a b', '\ud800', '\ud801', 'é', 'e\u0301', 'x'.repeat(1_000)];
    for (const key of keys) await limits.consume([key], RULE, { cost: 2 });
    for (const key of keys) t.is((await other.peek([key], RULE)).rules[0]!.used, 2, key);
  });

  it('a slot is held while work runs, in all processes together, and free when run has resolved', async (t, {
    limits,
    other,
    until,
  }) => {
    const work = deferred<number>();
    const runs = [limits.run('k', SLOTS, () => work.promise), other.run('k', SLOTS, () => work.promise)];
    await until('both run', async () => (await limits.peek('k', SLOTS)).rules[0]!.used === 2);
    await t.throwsAsync(
      other.run('k', SLOTS, () => t.fail()),
      { instanceOf: RateLimitExceededError },
    );
    work.resolve(7);
    t.deepEqual(await Promise.all(runs), [7, 7]);
    t.is((await other.peek('k', SLOTS)).rules[0]!.used, 0);
  });

  it('semaphore: a slot outlives its lease while its process renews it', async (t, {
    limits,
    other,
    until,
  }) => {
    const rule: Rule = { algorithm: 'concurrency', limit: 1, lease: '2s' };
    const work = deferred();
    const run = limits.run('k', rule, () => work.promise);
    await until('it runs', async () => (await other.peek('k', rule)).rules[0]!.used === 1);
    const late = { algorithm: 'fixed-window', limit: 1, per: '4200ms' } as const;
    await limits.consume('clock', late);
    await until('two lives have passed', async () => (await limits.peek('clock', late)).allowed);
    t.is((await other.peek('k', rule)).rules[0]!.used, 1);
    work.resolve();
    await run;
  });

  it('semaphore: a waiting call gets the slot that another process releases', async (t, {
    limits,
    other,
    until,
  }) => {
    const rule: Rule = { algorithm: 'concurrency', limit: 1 };
    const work = deferred();
    const first = limits.run('k', rule, () => work.promise);
    await until('it runs', async () => (await other.peek('k', rule)).rules[0]!.used === 1);
    let ran = false;
    const second = other.run('k', rule, () => (ran = true), { wait: '10s' });
    const third = await other.peek('k', rule);
    t.false(third.allowed || ran);
    work.resolve();
    await first;
    await until('the second has run', async () => ran);
    t.true(await second);
  });

  it('a waiting call gets the units that another process refunds', async (t, { limits, other, until }) => {
    const wide: Rule = { algorithm: 'fixed-window', limit: 3, per: '10s' };
    await limits.consume('k', wide, { cost: 3 });
    let allowed = false;
    const waiting = other.consume('k', wide, { wait: '20s' }).then((decision) => ({ allowed } = decision));
    await limits.refund('k', wide);
    await until('the waiting call is through', async () => allowed);
    t.true((await waiting).allowed);
  });

  it('refundOnError: a failed run refunds its units', async (t, { limits, other }) => {
    const rules = [RULE, SLOTS] as const;
    const fail = (): Promise<never> => Promise.reject(new Error('no'));
    await t.throwsAsync(limits.run('k', rules, fail, { refundOnError: true, cost: 3 }), { message: 'no' });
    t.like(await other.peek('k', rules), { rules: { 0: { used: 0 }, 1: { used: 0 } } });
    await t.throwsAsync(limits.run('k', rules, fail), { message: 'no' });
    t.like(await other.peek('k', rules), { rules: { 0: { used: 1 }, 1: { used: 0 } } });
  });
}
