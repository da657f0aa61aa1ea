import { writeFileSync } from 'node:fs';
import { env } from 'node:process';

/**
 * Called by AVA with the events of a run: writes AVA's own counts, as JSON, to the file that COUNT_TESTS_TO names.
 * AVA's closing lines leave out the tests that passed when others failed, so they cannot be summed.
 */
export async function observeRun({ events }) {
  const file = env.COUNT_TESTS_TO;
  if (file === undefined) return;
  let counts;
  for await (const event of events) {
    if (event.type === 'stats') counts = summary(event.stats);
  }
  if (counts !== undefined) writeFileSync(file, JSON.stringify(counts));
}

function summary(stats) {
  return {
    passed: stats.passedTests + stats.passedKnownFailingTests,
    failed:
      stats.failedTests +
      stats.failedHooks +
      stats.remainingTests +
      stats.uncaughtExceptions +
      stats.unhandledRejections +
      stats.internalErrors +
      stats.failedWorkers,
    skipped: stats.skippedTests + stats.todoTests,
    leftOut: stats.declaredTests - stats.selectedTests,
  };
}
