import test from 'ava';
import fc from 'fast-check';
import type { Algorithm, RateRule } from '../../../src/core/ports/rate-store.js';
import { rateAlgorithms } from '../../../src/core/limits/algorithms/index.js';
import { rateRig, rateRule, type RateRig } from './rate-rig.js';
import { WINDOW_ALGORITHMS } from '../../../src/core/limits/rules.js';

const RUNS = { numRuns: 300 };

/** What was let through: when, in ms, and how many units. */
interface Admitted {
  readonly at: number;
  readonly units: number;
}

/** Waits between calls that make windows overlap, meet at their ends, and pass. */
const pause = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 50 }),
  fc.integer({ min: 51, max: 400 }),
  fc.constantFrom(999, 1000, 1001, 2500),
);
const calls = fc.array(fc.record({ pause, cost: fc.integer({ min: 1, max: 6 }) }), {
  minLength: 1,
  maxLength: 60,
});
const limits = fc.integer({ min: 1, max: 12 });

async function history(
  rule: RateRule,
  made: readonly { pause: number; cost: number }[],
): Promise<Admitted[]> {
  const { clock, take } = rateRig();
  const admitted: Admitted[] = [];
  for (const { pause, cost } of made) {
    clock.ms += pause;
    if (cost > rule.burst) continue;
    if ((await take(rule, { cost })).allowed) admitted.push({ at: clock.ms, units: cost });
  }
  return admitted;
}

/** The most units in any stretch of time from one admission up to `ms` later, and whether it is within bounds. */
function everyStretch(
  admitted: readonly Admitted[],
  ms: number,
  within: (units: number, length: number) => boolean,
): boolean {
  return admitted.every((first, i) => {
    let units = 0;
    return admitted.slice(i).every(({ at, units: more }) => {
      units += more;
      return at - first.at >= ms || within(units, at - first.at);
    });
  });
}

test('G9 rate limits: Property: sliding-window-log admits at most its limit in any window', async (t) => {
  await fc.assert(
    fc.asyncProperty(limits, calls, async (limit, made) => {
      const admitted = await history(rateRule('sliding-window-log', limit), made);
      return everyStretch(admitted, 1000, (units) => units <= limit);
    }),
    RUNS,
  );
  t.pass();
});

for (const algorithm of ['gcra', 'token-bucket'] as const) {
  test(`G9 rate limits: Property: ${algorithm} admits at most its burst plus the earned units in any interval`, async (t) => {
    await fc.assert(
      fc.asyncProperty(limits, limits, calls, async (limit, burst, made) => {
        const admitted = await history(rateRule(algorithm, limit, { burst }), made);
        return everyStretch(admitted, Infinity, (units, ms) => units * 1000 <= burst * 1000 + limit * ms);
      }),
      RUNS,
    );
    t.pass();
  });
}

for (const algorithm of ['fixed-window', 'sliding-window-counter'] as const) {
  test(`G9 rate limits: Property: ${algorithm} admits less than twice its limit in any window`, async (t) => {
    await fc.assert(
      fc.asyncProperty(limits, calls, async (limit, made) => {
        const admitted = await history(rateRule(algorithm, limit), made);
        return everyStretch(admitted, 1000, (units) => units < 2 * limit);
      }),
      RUNS,
    );
    t.pass();
  });
}

test('G9 rate limits: Property: fixed-window admits at most its limit in each of its windows', async (t) => {
  await fc.assert(
    fc.asyncProperty(limits, calls, async (limit, made) => {
      const admitted = await history(rateRule('fixed-window', limit), made);
      let start = -Infinity;
      let units = 0;
      return admitted.every(({ at, units: more }) => {
        if (at >= start + 1000) {
          start = at;
          units = 0;
        }
        units += more;
        return units <= limit;
      });
    }),
    RUNS,
  );
  t.pass();
});

test('G9 rate limits: semaphore: Property: at most as many calls as slots hold one', async (t) => {
  const steps = fc.array(
    fc.record({
      pause,
      does: fc.constantFrom('take', 'take', 'give', 'renew'),
      who: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (limit, made) => {
      const { clock, store, take, give, look } = rateRig();
      const rule = rateRule('concurrency', limit);
      const held = new Map<string, number>();
      for (const { pause, does, who } of made) {
        clock.ms += pause;
        for (const [owner, end] of held) if (end <= clock.ms) held.delete(owner);
        const token = `t${who}`;
        if (does === 'take') {
          const { allowed } = await take(rule, { token });
          if (allowed !== (held.has(token) || held.size < limit)) return false;
          if (allowed) held.set(token, clock.ms + 1000);
        } else if (does === 'give') {
          await give(rule, 1, token);
          held.delete(token);
        } else if (await store.renew([rule], token)) {
          if (!held.has(token)) return false;
          held.set(token, clock.ms + 1000);
        } else if (held.has(token)) return false;
        if (held.size > limit || (await look(rule)).used !== held.size) return false;
      }
      return true;
    }),
    RUNS,
  );
  t.pass();
});

// --- of every algorithm ------------------------------------------------------------------------------------------------

const prelude = fc.array(
  fc.record({
    pause,
    cost: fc.integer({ min: 1, max: 6 }),
    does: fc.constantFrom('take', 'take', 'take', 'force', 'give'),
  }),
  { maxLength: 40 },
);

async function play(
  { clock, take, give }: RateRig,
  rule: RateRule,
  made: readonly { pause: number; cost: number; does: string }[],
): Promise<void> {
  for (const { pause, cost, does } of made) {
    clock.ms += pause;
    if (does === 'give') await give(rule, cost);
    else if (does === 'force') await take(rule, { cost, force: true });
    else if (cost <= rule.burst) await take(rule, { cost });
  }
}

for (const algorithm of [...WINDOW_ALGORITHMS, 'concurrency'] as const) {
  test(`G9 rate limits: Property: ${algorithm}: a denied call, or one at cost 0, changes nothing`, async (t) => {
    await fc.assert(
      fc.asyncProperty(limits, prelude, limits, async (limit, made, cost) => {
        const rig = rateRig();
        const rule = rateRule(algorithm, limit);
        await play(rig, rule, made);
        const before = await rig.look(rule);
        const refused = await rig.consume([rateRule('fixed-window', 1, { key: 'other' }), rule], { cost: 2 });
        const again = cost <= limit ? await rig.take(rule, { cost }) : before;
        if (refused.rules[0]!.allowed) return false;
        if (again.allowed) return true;
        return JSON.stringify(await rig.look(rule)) === JSON.stringify(before);
      }),
      RUNS,
    );
    t.pass();
  });

  test(`Property: ${algorithm}: there is capacity after retryAfterMs, and not a millisecond before`, async (t) => {
    await fc.assert(
      fc.asyncProperty(limits, prelude, limits, async (limit, made, asked) => {
        const rig = rateRig();
        const rule = rateRule(algorithm, limit);
        const cost = algorithm === 'concurrency' ? 1 : Math.min(asked, limit);
        await play(rig, rule, made);
        const { allowed, retryAfterMs } = await rig.take(rule, { cost });
        if (allowed) return true;
        const told = rig.clock.ms;
        rig.clock.ms = told + retryAfterMs - 1;
        if ((await rig.take(rule, { cost })).allowed) return false;
        rig.clock.ms = told + retryAfterMs;
        return (await rig.take(rule, { cost })).allowed;
      }),
      RUNS,
    );
    t.pass();
  });

  test(`Property: ${algorithm}: exactly the remaining units can be taken`, async (t) => {
    await fc.assert(
      fc.asyncProperty(limits, prelude, async (limit, made) => {
        const rig = rateRig();
        const rule = rateRule(algorithm, limit);
        await play(rig, rule, made);
        const { remaining } = await rig.look(rule);
        for (let i = 0; i < remaining; i++) if (!(await rig.take(rule)).allowed) return false;
        return !(await rig.take(rule)).allowed;
      }),
      RUNS,
    );
    t.pass();
  });

  test(`Property: ${algorithm}: after resetMs nothing counts and nothing is stored`, async (t) => {
    await fc.assert(
      fc.asyncProperty(limits, prelude, async (limit, made) => {
        const rig = rateRig();
        const rule = rateRule(algorithm, limit);
        await play(rig, rule, made);
        const { resetMs, used } = await rig.look(rule);
        if (used === 0) return resetMs === 0;
        rig.clock.ms += resetMs - 1;
        if ((await rig.look(rule)).used === 0) return false;
        rig.clock.ms += 1;
        const { used: left, remaining } = await rig.look(rule);
        rig.clock.ms += 1;
        return left === 0 && remaining === rule.burst && rig.store.size === 0;
      }),
      RUNS,
    );
    t.pass();
  });
}

test('Property: states contain whole numbers only, so that Lua stores the same ones', (t) => {
  const numbers = (value: unknown): number[] =>
    typeof value === 'number' ? [value] : Object.values(value as object).flatMap(numbers);
  fc.assert(
    fc.property(
      fc.constantFrom<Algorithm>('gcra', 'fixed-window', 'sliding-window-counter'),
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.integer({ min: 1, max: 86_400_000 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000_000 }), fc.integer({ min: 1, max: 1000 })), {
        minLength: 1,
        maxLength: 20,
      }),
      (algorithm, limit, perMs, made) => {
        const rule = rateRule(algorithm, limit, { perMs });
        let now = 1_800_000_000_000_000;
        let state: unknown;
        for (const [us, cost] of made) {
          now += us;
          state = rateAlgorithms[algorithm].consume(rule, state, now, cost, 'token');
          if (!numbers(state).every(Number.isSafeInteger)) return false;
        }
        return true;
      },
    ),
    RUNS,
  );
  t.pass();
});
