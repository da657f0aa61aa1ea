import test from 'ava';
import fc from 'fast-check';
import { withCaching } from '../../src/decorators/shared/resolve-caching.js';
import { Locked } from '../../src/decorators/locked.js';
import { OptionsError, StoreUnavailableError } from '../../src/core/shared/errors.js';
import { RaceError, raceTest, type Race, type RaceOptions } from '../../src/testing/race-test.js';

interface Rows {
  read(): Promise<number>;
  write(count: number): Promise<void>;
}

class Stock {
  readonly rows: Rows;
  constructor(rows: Rows) {
    this.rows = rows;
  }
  async take(): Promise<boolean> {
    const left = await this.rows.read();
    if (left === 0) return false;
    await this.rows.write(left - 1);
    return true;
  }
}

class LockedStock extends Stock {
  @Locked({ key: 'stock', lease: '1m', wait: '1h' })
  override async take(): Promise<boolean> {
    return super.take();
  }
}

/** Two customers take the last one. In every order one of them gets it. */
function lastOne(Kind: typeof Stock): (race: Race) => Promise<void> {
  return async ({ all, processes, step }) => {
    let left = 1;
    const stock = new Kind({
      read: async () => {
        await step('reads');
        return left;
      },
      write: async (count) => {
        await step('writes');
        left = count;
      },
    });
    const on = (process: number) => () =>
      withCaching(processes[process % processes.length]!.caching, () => stock.take());
    const { Ada, Bob } = await all({ Ada: on(0), Bob: on(1) });
    if (Number(Ada) + Number(Bob) !== 1) throw new Error('Both have the last one.');
  };
}

async function failureOf(
  scenario: (race: Race) => Promise<unknown>,
  options?: RaceOptions,
): Promise<RaceError> {
  try {
    await raceTest(scenario, options);
  } catch (error) {
    if (error instanceof RaceError) return error;
    throw error;
  }
  throw new Error('Expected an order that fails.');
}

test('a lost update is found, and its steps and its seed are reported', async (t) => {
  const { message, seed, steps, cause } = await failureOf(lastOne(Stock));
  t.is((cause as Error).message, 'Both have the last one.');
  t.deepEqual(
    steps
      .filter((step) => /reads|writes/.test(step))
      .map((step) => step.slice(5))
      .sort(),
    ['reads', 'reads', 'writes', 'writes'],
  );
  t.true(message.startsWith(`The order of seed ${seed} fails: Both have the last one.\n  1. `));
  t.regex(message, /\n {2}\d\. Ada: reads\n/);
  t.true(message.endsWith(`\nThis order alone: raceTest(scenario, { seed: ${seed}, runs: 1 })`));
});

test('the same seed is the same order', async (t) => {
  const found = await failureOf(lastOne(Stock));
  const replayed = await failureOf(lastOne(Stock), { seed: found.seed, runs: 1 });
  t.is(replayed.message, found.message);
});

for (const processes of [1, 2]) {
  test(`with a lock every order holds: processes: ${processes}`, async (t) => {
    await t.notThrowsAsync(raceTest(lastOne(LockedStock), { processes }));
  });
}

test('calls of each process to the store are steps, and say who makes them', async (t) => {
  const { steps } = await failureOf(
    async (race) => {
      await lastOne(LockedStock)(race);
      throw new Error('Show the steps.');
    },
    { processes: 2 },
  );
  for (const step of [
    'Ada: starts',
    'Ada: locks.acquire arrives (process 1)',
    'Bob: locks.acquire is answered (process 2)',
    'Bob: locks.release arrives (process 2)',
  ]) {
    t.true(steps.includes(step), `${step} in ${steps.join(', ')}`);
  }
});

test('all orders of a few steps are tried', async (t) => {
  const orders = new Set<string>();
  await raceTest(async ({ all, step }) => {
    let order = '';
    const twice = (name: string) => async () => {
      for (let i = 0; i < 2; i++) {
        await step('acts');
        order += name;
      }
    };
    await all({ a: twice('a'), b: twice('b') });
    orders.add(order);
  });
  t.deepEqual([...orders].sort(), ['aabb', 'abab', 'abba', 'baab', 'baba', 'bbaa']);
});

test('a stale value between a write and its invalidation is found', async (t) => {
  const scenario =
    (invalidateFirst: boolean) =>
    async ({ caching, all, step }: Race) => {
      let row = 1;
      const find = () =>
        caching.cache.getOrSet('row', async () => {
          await step('reads the row');
          return row;
        });
      const write = async () => {
        if (invalidateFirst) await caching.cache.invalidate({ keys: ['row'] });
        await step('writes the row');
        row = 2;
        if (!invalidateFirst) await caching.cache.invalidate({ keys: ['row'] });
      };
      await all({ reader: find, writer: write });
      const found = await find();
      if (found !== 2) throw new Error(`Found ${found}.`);
    };
  t.regex((await failureOf(scenario(true))).message, /fails: Found 1\./);
  await t.notThrowsAsync(raceTest(scenario(false)));
});

test('time passes when no step waits: the lock of a process that is killed ends with its lease', async (t) => {
  const scenario = async ({ clock, processes }: Race) => {
    const [dead, alive] = processes;
    await dead!.caching.locks.acquire('k', { lease: '10s' });
    dead!.chaos.kill();
    const killedAt = clock.now();
    await alive!.caching.locks.acquire('k', { wait: '1m' });
    t.true(clock.now() - killedAt >= 10_000);
  };
  await raceTest(scenario, { processes: 2, runs: 5 });
});

test('faults of the store are part of a scenario', async (t) => {
  const { cause } = await failureOf(async ({ caching, processes }) => {
    processes[0]!.chaos.fail('rates.block', 'reply lost');
    await caching.limits.block('k', '1m');
  });
  t.true(cause instanceof StoreUnavailableError);
});

test('an error that is thrown by one is reported when all have ended', async (t) => {
  const ended: string[] = [];
  const { cause } = await failureOf(
    ({ all, step }) =>
      all({
        a: async () => {
          throw new Error('a fails');
        },
        b: async () => {
          for (let i = 0; i < 20; i++) await step('acts');
          ended.push('b');
        },
      }),
    { runs: 1 },
  );
  t.is((cause as Error).message, 'a fails');
  t.deepEqual(ended, ['b']);
});

test('a scenario that throws before its first step fails', async (t) => {
  const { message, steps } = await failureOf(() => {
    throw new Error('at once');
  });
  t.regex(message, /^The order of seed 1 fails: at once/);
  t.deepEqual(steps, []);
});

test('a deadlock is reported', async (t) => {
  const { message, steps } = await failureOf(async ({ all }) => {
    await all({ a: () => new Promise(() => {}) });
  });
  t.regex(message, /fails: It waits for something that no step and no timer of `clock` ends/);
  t.deepEqual(steps, ['a: starts']);
});

test('an order that does not end is reported, with its last steps', async (t) => {
  const { message } = await failureOf(async ({ step }) => {
    for (;;) await step('again');
  });
  t.regex(message, /fails: It does not end within 10000 steps and timers\.\n {2}\(9\d{3} earlier steps\)\n/);
});

test('a short time that is not virtual is waited for, such as that of another thread', async (t) => {
  await raceTest(() => new Promise((resolve) => setTimeout(resolve, 20)), { runs: 2 });
  t.pass();
});

test('the scheduler of fast-check finds the same races, and reports the order in its own way', async (t) => {
  const property = (Kind: typeof Stock) =>
    fc.asyncProperty(fc.scheduler(), (scheduler) => raceTest(lastOne(Kind), { scheduler }));
  const found = await fc.check(property(Stock), { seed: 1 });
  t.true(found.failed);
  t.regex(String(found.errorInstance), /One order fails: Both have the last one\.\n {2}1\. /);
  t.regex(fc.defaultReportMessage(found)!, /schedulerFor\(\)`/);
  t.false((await fc.check(property(LockedStock), { seed: 1, numRuns: 50 })).failed);
});

// Serial, because the timers of other tests would be counted.
test.serial('no timer is left', async (t) => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  await raceTest(lastOne(LockedStock), { runs: 5, processes: 2, caching: { l1: true } });
  await failureOf(({ all }) => all({ a: () => new Promise(() => {}) }), { runs: 1 });
  t.true(timers() <= before);
});

test('options are checked', async (t) => {
  const scenario = async () => {};
  await t.throwsAsync(raceTest(undefined as never), {
    instanceOf: OptionsError,
    message: /takes a function/,
  });
  await t.throwsAsync(raceTest(scenario, { runs: 0 }), {
    instanceOf: OptionsError,
    message: /^runs of raceTest/,
  });
  await t.throwsAsync(raceTest(scenario, { proceses: 2 } as never), { message: /no option 'proceses'/ });
  await t.throwsAsync(raceTest(scenario, { caching: { l2: true } as never }), { message: /no option 'l2'/ });
});
