import test from 'ava';
import type { RateRule } from '../../../src/core/ports/rate-store.js';
import { rateRig, rateRule } from './rate-rig.js';

/** When, what is asked, and what is said: allowed, used, remaining, retry after, reset. */
type Step = readonly [
  at: number,
  what: 'take' | 'look' | 'force' | 'give',
  units: number,
  allowed: boolean,
  used: number,
  remaining: number,
  retryAfterMs: number,
  resetMs: number,
];

/** What is given back is followed by a look: that is what it is compared with. */
function table(title: string, rule: RateRule, steps: readonly Step[]): void {
  test(title, async (t) => {
    const { clock, take, give } = rateRig();
    for (const [at, what, units, ...said] of steps) {
      clock.ms = at;
      if (what === 'give') await give(rule, units);
      const cost = what === 'give' || what === 'look' ? 0 : units;
      const reading = await take(rule, { cost, force: what === 'force' });
      const { allowed, used, remaining, retryAfterMs, resetMs } = reading;
      t.deepEqual([allowed, used, remaining, retryAfterMs, resetMs], said, `${what} ${units} at ${at}`);
    }
  });
}

for (const algorithm of ['gcra', 'token-bucket'] as const) {
  table(
    `${algorithm} admits its burst, and then one unit per limit-th of the window`,
    rateRule(algorithm, 4),
    [
      [1000, 'look', 0, true, 0, 4, 0, 0],
      [1000, 'take', 1, true, 1, 3, 0, 250],
      [1000, 'take', 3, true, 4, 0, 750, 1000],
      [1000, 'take', 1, false, 4, 0, 250, 1000],
      [1249, 'take', 1, false, 4, 0, 1, 751],
      [1250, 'take', 1, true, 4, 0, 250, 1000],
      [1500, 'look', 0, true, 3, 1, 0, 750],
      [2249, 'look', 0, true, 1, 3, 0, 1],
      [2250, 'look', 0, true, 0, 4, 0, 0],
      [9000, 'take', 4, true, 4, 0, 1000, 1000],
    ],
  );

  table(
    `${algorithm} admits more than its limit at once if its burst is larger`,
    rateRule(algorithm, 2, { burst: 5 }),
    [
      [1000, 'take', 5, true, 5, 0, 2500, 2500],
      [1499, 'take', 1, false, 5, 0, 1, 2001],
      [1500, 'take', 1, true, 5, 0, 500, 2500],
      [4000, 'look', 0, true, 0, 5, 0, 0],
    ],
  );

  table(
    `${algorithm} admits less than its limit at once if its burst is smaller`,
    rateRule(algorithm, 10, { burst: 1 }),
    [
      [1000, 'take', 1, true, 1, 0, 100, 100],
      [1099, 'take', 1, false, 1, 0, 1, 1],
      [1100, 'take', 1, true, 1, 0, 100, 100],
    ],
  );

  table(`${algorithm} is exact for a limit that does not divide its window`, rateRule(algorithm, 7), [
    [1000, 'take', 1, true, 1, 6, 0, 143],
    [1000, 'take', 6, true, 7, 0, 858, 1000],
    [1142, 'take', 1, false, 7, 0, 1, 858],
    [1143, 'take', 1, true, 7, 0, 143, 1000],
    [2143, 'take', 7, true, 7, 0, 1000, 1000],
    [2143, 'take', 1, false, 7, 0, 143, 1000],
  ]);

  table(`${algorithm} owes what is forced, and earns what is given back`, rateRule(algorithm, 4), [
    [1000, 'force', 6, false, 6, 0, 1500, 1500],
    [1000, 'take', 1, false, 6, 0, 750, 1500],
    [1000, 'give', 3, true, 3, 1, 0, 750],
    [1100, 'give', 9, true, 0, 4, 0, 0],
    [1100, 'take', 4, true, 4, 0, 1000, 1000],
  ]);
}

table('fixed-window counts from its first call to the end of the window', rateRule('fixed-window', 3), [
  [1000, 'look', 0, true, 0, 3, 0, 0],
  [1300, 'take', 1, true, 1, 2, 0, 1000],
  [1400, 'take', 2, true, 3, 0, 900, 900],
  [2299, 'take', 1, false, 3, 0, 1, 1],
  [2300, 'take', 2, true, 2, 1, 1000, 1000],
  [2300, 'take', 2, false, 2, 1, 1000, 1000],
  [2300, 'take', 1, true, 3, 0, 1000, 1000],
  [4000, 'look', 0, true, 0, 3, 0, 0],
]);

table(
  'fixed-window forgets forced units at its end, and refunds to no less than zero',
  rateRule('fixed-window', 3),
  [
    [1000, 'force', 5, false, 5, 0, 1000, 1000],
    [1500, 'give', 1, false, 4, 0, 500, 500],
    [1500, 'give', 2, true, 2, 1, 0, 500],
    [1500, 'give', 9, true, 0, 3, 0, 0],
    [1700, 'take', 3, true, 3, 0, 1000, 1000],
  ],
);

table('sliding-window-log admits a unit when one leaves the window', rateRule('sliding-window-log', 3), [
  [1000, 'take', 1, true, 1, 2, 0, 1000],
  [1400, 'take', 2, true, 3, 0, 1000, 1000],
  [1999, 'take', 1, false, 3, 0, 1, 401],
  [1999, 'take', 2, false, 3, 0, 401, 401],
  [2000, 'take', 1, true, 3, 0, 400, 1000],
  [2400, 'look', 0, true, 1, 2, 0, 600],
  [3000, 'look', 0, true, 0, 3, 0, 0],
]);

table(
  'sliding-window-log keeps of forced units those that decide when there is capacity',
  rateRule('sliding-window-log', 3),
  [
    [1000, 'take', 2, true, 2, 1, 1000, 1000],
    [1500, 'force', 2, false, 3, 0, 1000, 1000],
    [1500, 'force', 9, false, 3, 0, 1000, 1000],
    [2499, 'look', 0, false, 3, 0, 1, 1],
    [2500, 'look', 0, true, 0, 3, 0, 0],
  ],
);

table('sliding-window-log gives the newest back first', rateRule('sliding-window-log', 3), [
  [1000, 'take', 2, true, 2, 1, 1000, 1000],
  [1500, 'take', 1, true, 3, 0, 500, 1000],
  [1600, 'give', 1, true, 2, 1, 0, 400],
  [1600, 'give', 9, true, 0, 3, 0, 0],
]);

table(
  'sliding-window-counter weights the previous window by its overlap',
  rateRule('sliding-window-counter', 10),
  [
    [1000, 'take', 8, true, 8, 2, 1750, 2000],
    [1000, 'take', 3, false, 8, 2, 1125, 2000],
    [2000, 'look', 0, true, 8, 2, 0, 1000],
    [2250, 'take', 4, true, 10, 0, 500, 1750],
    [2250, 'take', 1, false, 10, 0, 125, 1750],
    [2374, 'take', 1, false, 10, 0, 1, 1626],
    [2375, 'take', 1, true, 10, 0, 125, 1625],
    [3000, 'look', 0, true, 5, 5, 0, 1000],
    [4000, 'look', 0, true, 0, 10, 0, 0],
  ],
);

table(
  'sliding-window-counter forces units into the current window and refunds from it first',
  rateRule('sliding-window-counter', 4),
  [
    [1000, 'take', 4, true, 4, 0, 2000, 2000],
    [2500, 'force', 6, false, 8, 0, 1500, 1500],
    [2500, 'give', 5, true, 3, 1, 0, 1500],
    [2500, 'give', 3, true, 1, 3, 0, 500],
    [2500, 'give', 9, true, 0, 4, 0, 0],
  ],
);

table('concurrency lets as many run as it has slots, until their lease ends', rateRule('concurrency', 2), [
  [1000, 'take', 1, true, 1, 1, 0, 1000],
  [1200, 'take', 5, true, 2, 0, 800, 1000],
  [1999, 'take', 1, false, 2, 0, 1, 201],
  [2000, 'look', 0, true, 1, 1, 0, 200],
  [2000, 'force', 1, true, 2, 0, 200, 1000],
  [2000, 'force', 1, false, 3, 0, 1000, 1000],
  [3000, 'look', 0, true, 0, 2, 0, 0],
]);

test('sliding-window-log: a refund removes the units of its token first', async (t) => {
  const { clock, take, give, look } = rateRig();
  const rule = rateRule('sliding-window-log', 3);
  await take(rule, { token: 'mine', cost: 2 });
  clock.ms += 500;
  await take(rule);
  await give(rule, 1, 'mine');
  t.like(await look(rule), { used: 2, resetMs: 1000 });
  clock.ms += 500;
  t.like(await look(rule), { used: 1 }, 'the newest still counts');
});

test('sliding-window-log: a refund beyond the units of its token removes the newest units', async (t) => {
  const { clock, take, give, look } = rateRig();
  const rule = rateRule('sliding-window-log', 4);
  await take(rule, { token: 'mine' });
  clock.ms += 300;
  await take(rule);
  clock.ms += 300;
  await take(rule);
  await give(rule, 2, 'mine');
  t.like(await look(rule), { used: 1, resetMs: 700 });
});

// --- a clock that steps back -----------------------------------------------------------------------------------------

for (const algorithm of [
  'gcra',
  'token-bucket',
  'fixed-window',
  'sliding-window-counter',
  'sliding-window-log',
] as const) {
  test(`${algorithm} does not move while a clock that stepped back catches up`, async (t) => {
    const { clock, take, look } = rateRig();
    const rule = rateRule(algorithm, 2);
    clock.ms = 5_000;
    await take(rule, { cost: 2 });
    const before = await look(rule);
    t.false(before.allowed);
    clock.ms = 3_000;
    t.deepEqual(await look(rule), before);
    t.false((await take(rule)).allowed);
    clock.ms = 5_000;
    t.deepEqual(await look(rule), before);
    clock.ms = 7_000;
    t.true((await take(rule, { cost: 2 })).allowed);
  });

  test(`${algorithm} admits no more when the clock steps back`, async (t) => {
    const { clock, take } = rateRig();
    const rule = rateRule(algorithm, 2);
    let through = 0;
    for (const at of [5_000, 4_000, 5_001, 1_000, 5_002]) {
      clock.ms = at;
      if ((await take(rule)).allowed) through++;
    }
    t.is(through, 2);
  });
}
