import test from 'ava';
import type { Call, CheckedRule, Run } from './calls.js';
import { checkAdmissions } from './check-admissions.js';
import { checkRuns } from './check-runs.js';
import { idealLimiter, playHistory, type IdealLimiter } from './ideal-limiter.js';
import { WINDOW_ALGORITHMS } from '../../../src/core/limits/rules.js';

const PLAY = { callers: 12, ms: 3_000 };
/** The longest stall is longer than two windows of 250 ms. */
const STALLS = { stallMs: 600 };

function rule(algorithm: CheckedRule['algorithm'], more: Partial<CheckedRule> = {}): CheckedRule {
  return { algorithm, limit: 10, perMs: 250, ...more };
}

/** The names of the violated rules, without duplicates. */
function broken(calls: readonly Call[], checked: CheckedRule): readonly string[] {
  return [...new Set(checkAdmissions(calls, [checked]).violations.map(({ rule }) => rule))].sort();
}

for (const algorithm of WINDOW_ALGORITHMS) {
  test(`${algorithm}: the checker accepts the history of a correct limiter`, (t) => {
    for (let seed = 1; seed <= 40; seed++) {
      const costs = seed % 2 === 0 ? [1] : [1, 1, 3];
      const smooth = algorithm === 'gcra' || algorithm === 'token-bucket';
      const checked = rule(algorithm, smooth ? { burst: [2, 4, 10, 25][seed % 4] } : {});
      const fitting = costs.filter((cost) => cost <= (checked.burst ?? checked.limit));
      const calls = playHistory(idealLimiter(checked), { seed, ...PLAY, costs: fitting });
      const { violations, admitted, expected } = checkAdmissions(calls, [checked]);
      t.deepEqual(violations.slice(0, 3), [], `seed ${seed}`);
      t.true(admitted >= expected.least && admitted <= expected.most, `seed ${seed}: ${admitted}`);
    }
  });

  test(`${algorithm}: the checker accepts such a history when the server or its callers stall`, (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const checked = rule(algorithm, { limit: [3, 10, 40][seed % 3]! });
      const costs = seed % 2 === 0 ? [1] : [1, 1, 3];
      const stallMs = [100, 300, 600, 1_500][seed % 4]!;
      const lostOneIn = seed % 5 === 0 ? 500 : Infinity;
      const calls = playHistory(idealLimiter(checked), { seed, ...PLAY, costs, stallMs, lostOneIn });
      const { violations, unknown } = checkAdmissions(calls, [checked]);
      t.deepEqual(violations.slice(0, 3), [], `seed ${seed}`);
      t.is(unknown > 0, lostOneIn < Infinity);
    }
  });

  test(`${algorithm}: the checker finds one unit too many or too few when the server or its callers stall`, (t) => {
    for (let seed = 1; seed <= 3; seed++) {
      const play = { seed, ...PLAY, ...STALLS };
      const many = playHistory(idealLimiter(rule(algorithm, { limit: 11 })), play);
      t.true(broken(many, rule(algorithm)).includes('over the limit'), `seed ${seed}`);
      const few = playHistory(idealLimiter(rule(algorithm, { limit: 9 })), play);
      t.true(broken(few, rule(algorithm)).includes('refused with room'), `seed ${seed}`);
    }
  });

  test(`${algorithm}: the checker finds one unit too many`, (t) => {
    const calls = playHistory(idealLimiter(rule(algorithm, { limit: 11 })), { seed: 1, ...PLAY });
    t.true(broken(calls, rule(algorithm)).includes('over the limit'));
  });

  test(`${algorithm}: the checker finds a window that is a twentieth too short`, (t) => {
    const calls = playHistory(idealLimiter(rule(algorithm, { perMs: 237 })), { seed: 2, ...PLAY });
    t.true(broken(calls, rule(algorithm)).includes('over the limit'));
  });

  test(`${algorithm}: the checker finds one unit too few`, (t) => {
    const calls = playHistory(idealLimiter(rule(algorithm, { limit: 9 })), { seed: 3, ...PLAY });
    t.true(broken(calls, rule(algorithm)).includes('refused with room'));
  });

  test(`${algorithm}: the checker finds denials that count against the limit`, (t) => {
    const ideal = idealLimiter(rule(algorithm));
    let stuck = 0;
    const counting: IdealLimiter = (now, cost) => {
      const decision = ideal(now, cost);
      if (!decision.allowed) stuck = Math.min(9, stuck + 1);
      return stuck === 9 ? { ...decision, allowed: false } : decision;
    };
    t.true(
      broken(playHistory(counting, { seed: 4, ...PLAY }), rule(algorithm)).includes('refused with room'),
    );
  });

  test(`${algorithm}: the checker finds a retryAfterMs that is too long or too short`, (t) => {
    const told = (by: number): IdealLimiter => {
      const ideal = idealLimiter(rule(algorithm));
      return (now, cost) => {
        const decision = ideal(now, cost);
        return decision.allowed
          ? decision
          : { ...decision, retryAfterMs: Math.max(1, decision.retryAfterMs + by) };
      };
    };
    t.deepEqual(broken(playHistory(told(12), { seed: 5, ...PLAY }), rule(algorithm)), [
      'told to wait too long',
    ]);
    t.deepEqual(broken(playHistory(told(-12), { seed: 6, ...PLAY }), rule(algorithm)), [
      'told to wait too short',
    ]);
  });
}

const call = (sent: number, more: Partial<Call> = {}): Call => ({
  process: 0,
  sent,
  received: sent + 1,
  cost: 1,
  outcome: 'admitted',
  source: 'store',
  retryAfterMs: 0,
  resetMs: 100,
  ...more,
});

test('sliding-window-log: only a call that is certainly in the window is one too many', (t) => {
  const log: CheckedRule = { algorithm: 'sliding-window-log', limit: 2, perMs: 100 };
  t.deepEqual(broken([call(0), call(50), call(98)], log), ['over the limit']);
  t.deepEqual(broken([call(0), call(50), call(98, { received: 101 })], log), []);
  t.deepEqual(broken([call(0, { cost: 2 }), call(98)], log), ['over the limit']);
});

test('a denial is justified only by units that may have been taken', (t) => {
  const log: CheckedRule = { algorithm: 'sliding-window-log', limit: 2, perMs: 100 };
  const refused = call(60, { outcome: 'refused', retryAfterMs: 1 });
  t.deepEqual(broken([call(0), refused], log), ['refused with room']);
  t.deepEqual(broken([call(0), call(60.5), refused], log), []);
  t.deepEqual(broken([call(0), call(62), refused], log), ['refused with room']);
  t.deepEqual(broken([call(0), call(10, { outcome: 'unknown' }), refused], log), []);
});

for (const algorithm of ['sliding-window-counter', 'fixed-window'] as const) {
  test(`${algorithm}: the checker finds a window that is 1 ms too long`, (t) => {
    const calls = playHistory(idealLimiter(rule(algorithm, { perMs: 251 })), { seed: 7, ...PLAY, ...STALLS });
    t.true(broken(calls, rule(algorithm)).includes('wrong window'));
  });
}

const COUNTER: CheckedRule = { algorithm: 'sliding-window-counter', limit: 2, perMs: 100 };
/** A call that a sliding-window-counter admits, in the window that ends at `end`. */
const counted = (sent: number, end: number, more: Partial<Call> = {}) =>
  call(sent, { resetMs: end + COUNTER.perMs - sent, ...more });

test('sliding-window-counter: after a window without admissions the next window starts with the next call', (t) => {
  const calls = [counted(0, 100), counted(1, 100), counted(230, 330), counted(231, 330)];
  const refused = (retryAfterMs: number) => call(240, { outcome: 'refused', resetMs: 190, retryAfterMs });
  t.deepEqual(broken([...calls, refused(140)], COUNTER), []);
  t.deepEqual(broken([...calls, refused(160)], COUNTER), ['told to wait too long']);
  t.deepEqual(broken([...calls, refused(120)], COUNTER), ['told to wait too short']);
  t.deepEqual(broken([...calls, counted(240, 330)], COUNTER), ['over the limit']);
  t.deepEqual(broken([...calls, counted(400, 430)], COUNTER), []);
});

test('sliding-window-counter: a window that starts less than a whole window after the end of the previous one is wrong', (t) => {
  t.deepEqual(broken([counted(0, 100), counted(150, 200)], COUNTER), []);
  t.deepEqual(broken([counted(0, 100), counted(150, 250)], COUNTER), ['wrong window']);
  t.deepEqual(broken([counted(0, 100), counted(50, 150)], COUNTER), ['over the limit', 'wrong window']);
});

test('sliding-window-counter: a call with a late reply belongs to the window of its resetMs', (t) => {
  const late = counted(90, 100, { received: 180 });
  const refused = (sent: number, end: number, more: Partial<Call> = {}) =>
    call(sent, { outcome: 'refused', resetMs: end - sent, ...more });
  // Both units of the previous window count for 96%, so there is no capacity until half of the window has passed.
  const before = [counted(0, 100), late];
  t.deepEqual(broken([...before, refused(104, 200, { retryAfterMs: 46 })], COUNTER), []);
  t.deepEqual(broken([...before, refused(104, 200, { retryAfterMs: 60 })], COUNTER), [
    'told to wait too long',
  ]);
  t.deepEqual(broken([...before, counted(104, 200)], COUNTER), ['over the limit']);
  t.deepEqual(broken([...before, counted(151, 200)], COUNTER), []);
});

test('fixed-window: slow calls justify denials in their own window only', (t) => {
  const fixed: CheckedRule = { algorithm: 'fixed-window', limit: 2, perMs: 100 };
  const slow = [0, 1].map((sent) => call(sent, { received: sent + 60, resetMs: 100 - sent }));
  const refused = (sent: number, end: number) =>
    call(sent, { outcome: 'refused', resetMs: end - sent, retryAfterMs: end - sent });
  t.deepEqual(broken([...slow, refused(70, 100)], fixed), []);
  t.deepEqual(broken([...slow, call(110, { resetMs: 100 }), refused(120, 210)], fixed), [
    'refused with room',
  ]);
});

test('fixed-window: a call that may belong to either of two windows justifies denials in both', (t) => {
  const fixed: CheckedRule = { algorithm: 'fixed-window', limit: 1, perMs: 100 };
  const either = call(90, { received: 210, resetMs: 10 });
  const refused = (sent: number, end: number) =>
    call(sent, { outcome: 'refused', resetMs: end - sent, retryAfterMs: end - sent });
  t.deepEqual(broken([either, refused(95, 100), refused(150, 200)], fixed), []);
  t.deepEqual(broken([either, refused(95, 100), refused(150, 200), refused(320, 400)], fixed), [
    'refused with room',
  ]);
});

test('of several rules, an admission must satisfy all and a denial needs one', (t) => {
  const rules: CheckedRule[] = [
    { algorithm: 'sliding-window-log', limit: 2, perMs: 100 },
    { algorithm: 'sliding-window-log', limit: 3, perMs: 1_000 },
  ];
  const found = (calls: Call[]) => checkAdmissions(calls, rules).violations.map(({ rule }) => rule);
  const refusedAt = (at: number, retryAfterMs: number) => call(at, { outcome: 'refused', retryAfterMs });
  t.deepEqual(found([call(0), call(1), refusedAt(50, 50), call(200), refusedAt(300, 700)]), []);
  t.deepEqual(found([call(0), call(1), call(200), call(400)]), ['over the limit']);
  t.deepEqual(found([call(0), call(1), refusedAt(150, 10)]), ['refused with room']);
});

test('a cached denial lies within the retryAfterMs that the store returned to this process', (t) => {
  const log: CheckedRule = { algorithm: 'sliding-window-log', limit: 1, perMs: 100 };
  const store = call(10, { outcome: 'refused', retryAfterMs: 90 });
  const repeated = (sent: number, more: Partial<Call> = {}) =>
    call(sent, { outcome: 'refused', source: 'denialCache', retryAfterMs: 5, ...more });
  t.deepEqual(broken([call(0), store, repeated(50)], log), []);
  t.deepEqual(broken([call(0), store, repeated(50, { cost: 3 })], log), []);
  t.deepEqual(broken([call(0), store, repeated(103)], log), ['refused with room']);
  t.deepEqual(broken([call(0), store, repeated(50, { process: 1 })], log), ['refused with room']);
  t.deepEqual(broken([call(0), { ...store, cost: 3 }, repeated(50)], { ...log, limit: 3 }), [
    'refused with room',
  ]);
});

const run = (begun: number, ended: number, more: Partial<Run> = {}): Run => ({
  process: 0,
  sent: begun - 1,
  received: ended + 1,
  outcome: 'admitted',
  begun,
  ended,
  ...more,
});
const refusedRun = (sent: number, received: number): Run =>
  run(NaN, NaN, { sent, received, outcome: 'refused' });

test('semaphore: the checker finds one body too many at once, but accepts them one after the other', (t) => {
  const rules = (runs: Run[]) => checkRuns(runs, 2).violations.map(({ rule }) => rule);
  t.deepEqual(rules([run(0, 10), run(5, 15), run(10, 20)]), []);
  t.deepEqual(rules([run(0, 10), run(5, 15), run(9, 20)]), ['over the limit']);
  t.is(checkRuns([run(0, 10), run(5, 15), run(9, 20)], 2).most, 3);
});

test('semaphore: the checker finds a denial while a slot is free all the time', (t) => {
  const rules = (runs: Run[]) => checkRuns(runs, 2).violations.map(({ rule }) => rule);
  t.deepEqual(rules([run(0, 10), run(5, 15), refusedRun(6, 7)]), []);
  t.deepEqual(rules([run(0, 10), run(5, 15), refusedRun(10.5, 11)]), []);
  t.deepEqual(rules([run(0, 10), run(5, 15), refusedRun(12, 13)]), ['refused with room']);
  t.deepEqual(rules([run(0, 10), refusedRun(2, 3)]), ['refused with room']);
  t.deepEqual(rules([run(0, 10), run(NaN, NaN, { sent: 1, outcome: 'unknown' }), refusedRun(2, 3)]), []);
});
