import process from 'node:process';
import test from 'ava';
import fc from 'fast-check';
import { runSchedule, schedules } from './staleness-world.js';

/** A longer search: STALENESS_RUNS=10000. */
const RUNS = Number(process.env['STALENESS_RUNS'] ?? 200);

for (const l1 of [false, true]) {
  test.serial(
    `G6 hard age bound, G1, G3: Property: in any schedule of loads, failures, timeouts, invalidations and clock steps no call returns a value past its bound, and nothing is left${l1 ? ', with an L1' : ''}`,
    async (t) => {
      const sum = { stale: 0, fresh: 0, rejected: 0 };
      const found = await fc.check(
        fc.asyncProperty(schedules, async (steps) => {
          const { stale, fresh, rejected } = await runSchedule(steps, l1);
          sum.stale += stale;
          sum.fresh += fresh;
          sum.rejected += rejected;
        }),
        { numRuns: RUNS },
      );
      t.false(found.failed, `${fc.defaultReportMessage(found)}\n${String(found.errorInstance)}`);
      // The schedules reach what they are to check.
      t.true(sum.stale > RUNS / 10 && sum.fresh > RUNS / 2 && sum.rejected > RUNS / 10, JSON.stringify(sum));
      t.log(`${RUNS} schedules: ${JSON.stringify(sum)}`);
    },
  );
}
