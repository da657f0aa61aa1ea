import test, { type ExecutionContext } from 'ava';
import type { Rule, WindowRule } from '../../../src/index.js';
import { redisForFile } from '../../support/servers.js';
import type { CheckedRule, Verdict } from './calls.js';
import { checkAdmissions } from './check-admissions.js';
import { checkRuns } from './check-runs.js';
import type { NaiveLimiter, RatesWorkerInit } from './rates-worker.js';
import { consumeHistory, runHistory, withWorkers } from './run-rates.js';

/** A longer run: RATES_SECONDS=10 RATES_PROCESSES=8 RATES_CALLERS=50 npm test -- test/limits/history/rates.test.ts */
const SECONDS = Number(process.env['RATES_SECONDS'] ?? 1.5);
const PROCESSES = Number(process.env['RATES_PROCESSES'] ?? 3);
const CALLERS = Number(process.env['RATES_CALLERS'] ?? 20);
const LIMIT = 40;
const PER_MS = 250;

const redis = redisForFile(test, { local: true });

/** Every second process has a denial cache. The others keep Redis under load. */
function limited(key: string, rules: readonly Rule[]): RatesWorkerInit[] {
  return Array.from({ length: PROCESSES }, (_, index) => ({
    index,
    callers: CALLERS,
    limiter: 'cachement',
    setup: { url: redis().url, key, rules, denialCache: index % 2 === 1 },
  }));
}

function say(t: ExecutionContext, what: string, verdict: Verdict): void {
  const { calls, admitted, unknown, most, allowed, expected, violations } = verdict;
  t.log(
    `${what}: ${calls} calls, ${admitted} units admitted (${expected.least} to ${expected.most} expected), at most ` +
      `${most} in a window (${allowed} may be), ${unknown} unknown, ${violations.length} violations`,
  );
}

interface Window extends WindowRule {
  readonly algorithm: Exclude<CheckedRule['algorithm'], 'concurrency'>;
  readonly per: number;
}

const RULES: readonly Window[] = [
  // The rate is so low that the unit after the burst is added after every reply.
  { algorithm: 'gcra', limit: LIMIT, per: 1_000 },
  { algorithm: 'token-bucket', limit: LIMIT, per: 1_000, burst: 10 },
  { algorithm: 'sliding-window-log', limit: LIMIT, per: PER_MS },
  { algorithm: 'sliding-window-counter', limit: LIMIT, per: PER_MS },
  { algorithm: 'fixed-window', limit: LIMIT, per: PER_MS },
];

async function judged(
  key: string,
  rules: readonly Window[],
  costs: readonly number[],
  stops: readonly number[] = [],
) {
  const stopped = stops.reduce((sum, one) => sum + one, 0);
  const calls = await consumeHistory(limited(key, rules), SECONDS * 1_000 + stopped, costs, stops);
  const verdict = checkAdmissions(
    calls,
    rules.map(({ per, ...rule }) => ({ ...rule, perMs: per })),
  );
  return { calls, verdict };
}

for (const rule of RULES) {
  const { algorithm } = rule;
  test.serial(
    `G9 rate limits: ${algorithm} admits exactly its limit under pressure of several processes`,
    async (t) => {
      t.timeout(SECONDS * 1_000 + 60_000);
      const { calls, verdict } = await judged(`one ${algorithm}`, [rule], [1, 1, 1, 3]);
      say(t, algorithm, verdict);
      t.deepEqual(verdict.violations.slice(0, 5), []);
      t.true(verdict.admitted >= verdict.expected.least && verdict.admitted <= verdict.expected.most);
      t.true(calls.some(({ source }) => source === 'denialCache'));
    },
  );
}

for (const rule of RULES.filter(({ per }) => per === PER_MS)) {
  const { algorithm } = rule;
  test.serial(
    `G9 rate limits: ${algorithm} admits the same when all processes pause for part of a window and for two windows`,
    async (t) => {
      t.timeout(SECONDS * 1_000 + 60_000);
      const stops = [0.6 * PER_MS, 2.4 * PER_MS];
      const { verdict } = await judged(`stopped ${algorithm}`, [rule], [1, 1, 1, 3], stops);
      say(t, algorithm, verdict);
      t.deepEqual(verdict.violations.slice(0, 5), []);
      t.true(verdict.admitted >= verdict.expected.least && verdict.admitted <= verdict.expected.most);
    },
  );
}

test.serial(
  'G9 rate limits: of several rules every admission satisfies all, and a denial takes nothing',
  async (t) => {
    t.timeout(SECONDS * 1_000 + 60_000);
    const rules: readonly Window[] = [
      { algorithm: 'sliding-window-log', limit: 10, per: 100 },
      { algorithm: 'gcra', limit: 30, per: 500 },
    ];
    const { verdict } = await judged('several', rules, [1, 2]);
    say(t, 'two rules', verdict);
    t.deepEqual(verdict.violations.slice(0, 5), []);
    t.true(verdict.admitted > 30);
  },
);

test.serial(
  'G9 rate limits: semaphore: at most as many bodies as slots run at once, and no slot stays unused',
  async (t) => {
    t.timeout(SECONDS * 1_000 + 60_000);
    const inits = limited('slots', [{ algorithm: 'concurrency', limit: LIMIT, lease: '10s' }]);
    const verdict = checkRuns(await runHistory(inits, SECONDS * 1_000), LIMIT);
    const { calls, admitted, most, violations } = verdict;
    t.log(
      `concurrency: ${calls} calls, ${admitted} ran, at most ${most} at once (${LIMIT} may be), ${violations.length} violations`,
    );
    t.deepEqual(violations.slice(0, 5), []);
    t.true(most > LIMIT / 2);
  },
);

function naive(limiter: NaiveLimiter, key: string, processes: number): RatesWorkerInit[] {
  const setup = { url: redis().url, key, limit: LIMIT, perMs: PER_MS };
  return Array.from({ length: processes }, (_, index) => ({ index, callers: CALLERS, limiter, setup }));
}

const FIXED: CheckedRule = { algorithm: 'fixed-window', limit: LIMIT, perMs: PER_MS };

test.serial('the checker finds a limiter that reads, decides and then writes', async (t) => {
  const calls = await consumeHistory(naive('read, then write', 'naive 1', 3), 1_000);
  const verdict = checkAdmissions(calls, [FIXED]);
  say(t, 'read, then write', verdict);
  t.true(verdict.violations.some(({ rule }) => rule === 'over the limit'));
});

test.serial('the checker finds a limiter that counts and crashes before it sets the expiry', async (t) => {
  await withWorkers(naive('count, then die', 'naive 2', 1), ([worker]) =>
    t.throwsAsync(worker!.call('consume', 1_000, [1])),
  );
  const calls = await consumeHistory(naive('count, then expire', 'naive 2', 2), 1_000);
  const verdict = checkAdmissions(calls, [FIXED]);
  say(t, 'count, then expire', verdict);
  t.true(verdict.violations.some(({ rule }) => rule === 'refused with room'));
});
