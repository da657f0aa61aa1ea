import { writeFileSync } from 'node:fs';
import { env } from 'node:process';
import { inspect } from 'node:util';

/** Events of AVA that make a run fail. */
const FAILURES = new Set([
  'test-failed',
  'hook-failed',
  'uncaught-exception',
  'unhandled-rejection',
  'internal-error',
  'worker-failed',
]);
const MOST_LINES = 20;

/**
 * Called by AVA with the events of a run: writes AVA's own counts, and what failed, as JSON, to the file that COUNT_TESTS_TO
 * names. AVA's closing lines leave out the tests that passed when others failed, so they cannot be summed.
 */
export async function observeRun({ events }) {
  const file = env.COUNT_TESTS_TO;
  if (file === undefined) return;
  let counts;
  const failures = [];
  for await (const event of events) {
    if (event.type === 'stats') counts = summary(event.stats);
    if (FAILURES.has(event.type)) failures.push(description(event));
    if (event.type === 'timeout') failures.push(...pendingTests(event));
  }
  if (counts !== undefined) writeFileSync(file, JSON.stringify({ ...counts, failures }));
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

function description({ type, title, testFile, err }) {
  const details = [err?.stack ?? err?.message ?? '', ...(err?.formattedDetails ?? []).map(detail)]
    .join('\n')
    .split('\n')
    .filter((line) => !/^ +at .*(?:node_modules|node:internal)/.test(line))
    .slice(0, MOST_LINES)
    .map((line) => `    ${line}`);
  return [`${type}: ${source(testFile)} ${title ?? ''}`, ...details].join('\n');
}

function detail({ label, formatted }) {
  return `${label} ${typeof formatted === 'string' ? formatted : inspect(formatted)}`;
}

function pendingTests({ pendingTests: byFile }) {
  return [...byFile].flatMap(([testFile, titles]) =>
    [...titles].map((title) => `timeout: ${source(testFile)} ${title}`),
  );
}

/** build/legacy/test/keys/key.test.js -> legacy test/keys/key.test.ts */
function source(testFile) {
  return (testFile ?? '').replace(/^.*[/\\]build[/\\](legacy|standard)[/\\]/, '$1 ').replace(/\.js$/, '.ts');
}
