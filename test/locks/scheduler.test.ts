import test from 'ava';
import fc from 'fast-check';
import {
  lockPlans,
  openNaiveLocks,
  runLockWorld,
  type LockPlanLimits,
  type OpenLocks,
} from './lock-world.js';

/** A longer search: LOCK_RUNS=20000. */
const RUNS = Number(process.env['LOCK_RUNS'] ?? 300);

const WORLDS = [
  { title: 'servers that lose nothing', faults: false, pauses: false },
  { title: 'servers that fail at random', faults: true, pauses: false },
  { title: 'processes that are paused at random', faults: false, pauses: true },
  { title: 'servers that fail and processes that are paused at random', faults: true, pauses: true },
] as const;

function check(limits: LockPlanLimits, numRuns: number, open?: OpenLocks) {
  const property = fc.asyncProperty(fc.scheduler(), lockPlans(limits), (scheduler, plan) =>
    runLockWorld(scheduler, plan, open),
  );
  return fc.check(property, { numRuns });
}

// Serial, because each test checks the listeners of this process.
for (const { title, faults, pauses } of WORLDS) {
  test.serial(
    `G8 locks: Property: in any order of requests and replies no two hold a lock and nothing hangs: ${title}`,
    async (t) => {
      const found = await check({ faults, pauses }, RUNS);
      t.false(found.failed, `${String(found.errorInstance)} ${fc.defaultReportMessage(found)}`);
    },
  );

  test.serial(`the same property fails on a naive lock in a few runs: ${title}`, async (t) => {
    const found = await check({ faults, pauses }, 5_000, openNaiveLocks);
    t.true(found.failed);
    t.regex(String(found.errorInstance), / take [xy] for theirs/);
    t.log(`after ${found.numRuns} runs`);
  });
}
