import process from 'node:process';
import test from 'ava';
import fc from 'fast-check';
import { idleSchedules, runSchedule, schedules } from './staleness-world.js';

/** A longer search: STALENESS_RUNS=10000. */
const RUNS = Number(process.env['STALENESS_RUNS'] ?? 200);

async function search(
  runs: number,
  arbitrary: typeof schedules,
  l1: boolean,
): Promise<{ readonly failure: string | undefined; stale: number; fresh: number; rejected: number }> {
  const sum = { stale: 0, fresh: 0, rejected: 0 };
  const found = await fc.check(
    fc.asyncProperty(arbitrary, async (steps) => {
      const { stale, fresh, rejected } = await runSchedule(steps, l1);
      sum.stale += stale;
      sum.fresh += fresh;
      sum.rejected += rejected;
    }),
    { numRuns: runs },
  );
  const failure = found.failed
    ? `${fc.defaultReportMessage(found)}\n${String(found.errorInstance)}`
    : undefined;
  return { failure, ...sum };
}

for (const l1 of [false, true]) {
  const suffix = l1 ? ', with an L1' : '';

  test.serial(
    `G6 hard age bound, G1, G3: Property: in any schedule of loads, failures, timeouts, invalidations and clock steps no call returns a value past its bound, and nothing is left${suffix}`,
    async (t) => {
      const { failure, ...sum } = await search(RUNS, schedules, l1);
      t.is(failure, undefined);
      // The schedules reach what they are to check.
      t.true(sum.stale > RUNS / 10 && sum.fresh > RUNS / 2 && sum.rejected > RUNS / 10, JSON.stringify(sum));
      t.log(`${RUNS} schedules: ${JSON.stringify(sum)}`);
    },
  );

  test.serial(
    `G6 hard age bound, G1, G3: Property: however often a value with idleTtl is read, no call returns it past its bound${suffix}`,
    async (t) => {
      const runs = RUNS / 2;
      const { failure, ...sum } = await search(runs, idleSchedules, l1);
      t.is(failure, undefined);
      t.true(sum.fresh > 2 * runs, JSON.stringify(sum));
      t.log(`${runs} schedules: ${JSON.stringify(sum)}`);
    },
  );
}
