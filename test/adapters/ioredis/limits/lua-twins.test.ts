import { deepStrictEqual } from 'node:assert/strict';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { channelOf, RedisConnection } from '../../../../src/adapters/ioredis/connection/redis-connection.js';
import { RedisRateStore } from '../../../../src/adapters/ioredis/limits/rate-store.js';
import { resolveTarget } from '../../../../src/adapters/ioredis/connection/target.js';
import { systemClock } from '../../../../src/core/shared/system-clock.js';
import { rateRuleKey, rateSubject } from '../../../../src/core/keys/store-keys.js';
import { LocalRateStore } from '../../../../src/core/limits/local-rate-store.js';
import type { Algorithm, RateRule, RateStore } from '../../../../src/core/ports/rate-store.js';
import type { Clock } from '../../../../src/core/ports/clock.js';
import { redisForFile } from '../../../support/servers.js';
import { admin } from '../rig.js';
import { RateReference } from './rate-reference.js';
import { WINDOW_ALGORITHMS } from '../../../../src/core/limits/rules.js';

const server = redisForFile(test);

/** More for a long search: RATE_RUNS=10000. */
const RUNS = Number(process.env['RATE_RUNS'] ?? 150);
const NAMESPACE = 'twin';
const EPOCH = 1_790_000_000_000_000;

// Redis ends keys by its own time, which these tests do not move. So a unit lasts much longer than a run.
const HOURS = 3_600_000;
const SMALL = {
  limits: [1, 2, 3, 7, 10],
  windows: [HOURS, HOURS + 1, 24 * HOURS - 7],
  costs: [0, 1, 1, 1, 2, 3],
};
/**
 * Sums that a double does not hold exactly. Costs are whole millions: a single unit lasts 32 ms here, and what is left
 * of one that is refunded would end by Redis' own time.
 */
const HUGE = {
  limits: [1_000_000_000, 999_999_937],
  windows: [365 * 24 * HOURS, 365 * 24 * HOURS - 1],
  costs: [1_000_000, 499_000_000, 999_000_000],
};

type Sizes = typeof SMALL;

interface Take {
  readonly which: readonly number[];
  readonly cost: number;
  readonly token: string;
  readonly repeatable: boolean;
  readonly force: boolean;
}

type Step =
  | { readonly verb: 'passes'; readonly us: number }
  | { readonly verb: 'consume'; readonly at_once: readonly Take[] }
  | { readonly verb: 'refund'; readonly take: Take }
  | { readonly verb: 'renew' | 'reset'; readonly take: Take }
  | { readonly verb: 'block'; readonly ms: number };

interface Plan {
  readonly rules: readonly Omit<RateRule, 'key'>[];
  readonly steps: readonly Step[];
}

function plans(
  algorithms: readonly Algorithm[],
  sizes: Sizes,
  back: boolean,
  repeats: boolean,
): fc.Arbitrary<Plan> {
  const limit = fc.constantFrom(...sizes.limits);
  const rule = fc
    .record({
      algorithm: fc.constantFrom(...algorithms),
      limit,
      perMs: fc.constantFrom(...sizes.windows),
      burst: limit,
    })
    .map(({ burst, ...one }) => ({
      ...one,
      burst: one.algorithm === 'gcra' || one.algorithm === 'token-bucket' ? burst : one.limit,
    }));
  return fc.array(rule, { minLength: 1, maxLength: 4 }).chain((rules) => {
    const take = fc.record({
      which: fc.uniqueArray(fc.nat(rules.length - 1), { minLength: 1 }),
      cost: fc.constantFrom(...sizes.costs),
      token: fc.constantFrom('a', 'b', 'c', 'd'),
      repeatable: repeats ? fc.constantFrom(false, false, true) : fc.constant(false),
      force: fc.constantFrom(false, false, false, true),
    });
    const longest = Math.max(...rules.map(({ perMs }) => perMs)) * 1_000;
    const us = fc.oneof(
      fc.integer({ min: back ? -3 : 0, max: 3 }),
      fc.integer({ min: back ? -longest : 0, max: Math.ceil(longest / 3) }),
      fc.integer({ min: 0, max: Math.ceil(2.2 * longest) }),
    );
    const step: fc.Arbitrary<Step> = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          verb: fc.constant('consume' as const),
          at_once: fc.array(take, { minLength: 1, maxLength: 4 }),
        }),
      },
      { weight: 5, arbitrary: fc.record({ verb: fc.constant('passes' as const), us }) },
      { weight: 2, arbitrary: fc.record({ verb: fc.constant('refund' as const), take }) },
      {
        weight: 1,
        arbitrary: fc.record({ verb: fc.constantFrom('renew' as const, 'reset' as const), take }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          verb: fc.constant('block' as const),
          ms: fc.constantFrom(0, HOURS, 3 * HOURS),
        }),
      },
    );
    return fc.record({ rules: fc.constant(rules), steps: fc.array(step, { minLength: 1, maxLength: 30 }) });
  });
}

let runs = 0;

/** What each step of a plan answers, by the one store and by the other. */
async function play(
  { rules, steps }: Plan,
  setNow: (us: number) => void,
  stores: readonly RateStore[],
): Promise<unknown[][]> {
  const subject = rateSubject(NAMESPACE, `run-${++runs}`);
  const whole = rules.map((rule, i) => ({ ...rule, key: rateRuleKey(subject, `r${i}`) }));
  let now = EPOCH;
  setNow(now);
  const answers: unknown[][] = stores.map(() => []);
  for (const step of steps) {
    if (step.verb === 'passes') {
      now += step.us;
      setNow(now);
      continue;
    }
    if (step.verb === 'refund' && (await leavesARemainder(stores.at(-1)!, step.take, subject, whole)))
      continue;
    for (const [i, store] of stores.entries()) answers[i]!.push(await perform(store, step, subject, whole));
  }
  return answers;
}

/**
 * True if a refund gives back all units but what the sums of a double have lost: with `HUGE`, less than a unit. That ends
 * after a millisecond by Redis' own time, which the other store does not see. Below `HUGE` sums are exact, and nothing is
 * left.
 */
async function leavesARemainder(
  model: RateStore,
  { which, ...take }: Take,
  subject: string,
  rules: readonly RateRule[],
): Promise<boolean> {
  if (take.cost < 1_000_000) return false;
  const asked = which.map((i) => rules[i]!);
  const reading = { ...take, subject, rules: asked, cost: 0, repeatable: false, force: false };
  const { rules: found } = await model.consume(reading);
  return found.some(({ used }) => used > 0 && Math.abs(used - take.cost) < 500_000);
}

async function perform(
  store: RateStore,
  step: Step,
  subject: string,
  rules: readonly RateRule[],
): Promise<unknown> {
  const of = ({ which, ...take }: Take) => ({ ...take, subject, rules: which.map((i) => rules[i]!) });
  switch (step.verb) {
    case 'consume':
      return Promise.all(
        step.at_once.map((take) => {
          const request = of(take);
          // A request is remembered by its token, and asks for the same rules when it comes again.
          if (take.repeatable) Object.assign(request, { token: `${take.token}-${take.which.join('-')}` });
          const most = Math.min(...request.rules.map(({ burst }) => burst));
          return store.consume({ ...request, cost: take.force ? take.cost : Math.min(take.cost, most) });
        }),
      );
    case 'refund':
      return store.refund({ ...of(step.take), cost: Math.max(1, step.take.cost), wakeOnlyIfFull: true });
    case 'renew':
      return store.renew(of(step.take).rules, step.take.token);
    case 'reset':
      return store.reset(
        subject,
        of(step.take).rules.map(({ key }) => key),
      );
    case 'block':
      return store.block(subject, step.ms);
    case 'passes':
      return undefined;
  }
}

async function redisStore(t: ExecutionContext, now: () => number): Promise<RateStore> {
  const settings = {
    ...{ clock: systemClock, namespace: NAMESPACE, timeout: 20_000, connectTimeout: 20_000 },
    changed: () => {},
  };
  const link = new RedisConnection(resolveTarget(server().url), 'commands', settings, () => {});
  t.teardown(() => link.close());
  link.open();
  await link.check();
  return new RedisRateStore(link.scripts, link.topology, channelOf(NAMESPACE), { ...settings, now });
}

const KINDS: readonly { title: string; algorithms: readonly Algorithm[]; sizes: Sizes }[] = [
  ...WINDOW_ALGORITHMS.map((algorithm) => ({ title: algorithm, algorithms: [algorithm], sizes: SMALL })),
  { title: 'concurrency', algorithms: ['concurrency'], sizes: SMALL },
  { title: 'all algorithms together', algorithms: [...WINDOW_ALGORITHMS, 'concurrency'], sizes: SMALL },
  {
    title: 'numbers that no double holds exactly',
    algorithms: ['gcra', 'sliding-window-counter', 'fixed-window'],
    sizes: HUGE,
  },
  // A request with nothing but gcra has a script of its own.
  { title: 'a debt that no double holds exactly', algorithms: ['gcra'], sizes: HUGE },
];

for (const { title, algorithms, sizes } of KINDS) {
  test(`Property: Redis and core count exactly the same for any clock: ${title}`, async (t) => {
    let now = 0;
    const redis = await redisStore(t, () => now);
    const setNow = (us: number): void => void (now = us);
    const property = fc.asyncProperty(plans(algorithms, sizes, true, true), async (plan) => {
      const [ours, theirs] = await play(plan, setNow, [redis, new RateReference(() => now)]);
      deepStrictEqual(ours, theirs);
    });
    const found = await fc.check(property, { numRuns: RUNS });
    t.false(found.failed, fc.defaultReportMessage(found));
  });

  test(`Property: Redis and the local store count exactly the same: ${title}`, async (t) => {
    let now = 0;
    const redis = await redisStore(t, () => now);
    const setNow = (us: number): void => void (now = us);
    const clock: Clock = { ...systemClock, now: () => now / 1_000 };
    const property = fc.asyncProperty(plans(algorithms, sizes, false, false), async (plan) => {
      const local = new LocalRateStore(clock, { maxKeys: 1_000 }, () => {});
      const [ours, theirs] = await play(plan, setNow, [redis, local]);
      deepStrictEqual(ours, theirs);
    });
    const found = await fc.check(property, { numRuns: RUNS });
    t.false(found.failed, fc.defaultReportMessage(found));
  });
}

test('a key outlives its window if the clock was set back', async (t) => {
  let now = EPOCH;
  const redis = await redisStore(t, () => now);
  const side = admin(t, server().url);
  for (const algorithm of [...WINDOW_ALGORITHMS, 'concurrency'] as const) {
    const subject = rateSubject(NAMESPACE, `back ${algorithm}`);
    const rule = { key: rateRuleKey(subject, algorithm), algorithm, limit: 5, perMs: HOURS, burst: 5 };
    const request = { subject, rules: [rule], cost: 1, repeatable: false, force: false };
    now = EPOCH + 3 * HOURS * 1_000;
    await redis.consume({ ...request, token: 'a' });
    now = EPOCH;
    const [{ resetMs } = { resetMs: 0 }] = (await redis.consume({ ...request, token: 'b' })).rules;
    const end = await side.pttl(rule.key);
    const due = algorithm === 'concurrency' ? 4 * HOURS : resetMs + 3 * HOURS;
    t.true(end <= due && end > due - HOURS / 12, `${algorithm} ends in ${end} ms, and ${due} ms were due`);
  }
});
