/**
 * Rate limits under pressure, and the checker that judges it (scripts/mutations/entries.js says what this is): each
 * change to a limiter must be found in the history of several processes on Redis, and each change to the checker in
 * histories that are made up.
 */

const RATES_TEST = 'test/rates/rates.test.ts';
const CHECKER_TEST = 'test/rates/check-admissions.test.ts';
const CHECKER = 'test/rates/check-admissions.ts';
const INTERVALS = 'test/rates/judge-intervals.ts';
const WINDOWS = 'test/rates/judge-windows.ts';
const COUNTER = 'test/rates/judge-counter.ts';
const WINDOWS_OF_CALLS = 'test/rates/windows-of-calls.ts';
const COUNTER_WINDOWS = 'test/rates/counter-windows.ts';
const RUNS = 'test/rates/check-runs.ts';
const under = (algorithm) =>
  `${algorithm}: pressed by several processes, it admits what it should, all of it`;

export const ratesHistoryMutations = [
  {
    guard: 'GCRA admits its burst, and no unit more (Lua)',
    file: 'src/adapters/ioredis/limits/meter-lua.ts',
    where: 'fits',
    search: '<= rule.room\n',
    replace: '<= rule.room + rule.per\n',
    test: RATES_TEST,
    title: under('gcra'),
  },
  {
    guard: 'the log admits its limit, and no unit more (Lua)',
    file: 'src/adapters/ioredis/limits/sliding-window-log-lua.ts',
    where: 'fits',
    search: 'return rule.used + ask <= rule.limit',
    replace: 'return rule.used + ask <= rule.limit + 1',
    test: RATES_TEST,
    title: under('sliding-window-log'),
  },
  {
    guard: 'the counter counts the window before (Lua)',
    file: 'src/adapters/ioredis/limits/sliding-window-counter-lua.ts',
    where: 'weight',
    search: 'return rule.previous * rule.rest + rule.current * rule.per',
    replace: 'return rule.current * rule.per',
    test: RATES_TEST,
    title: under('sliding-window-counter'),
  },
  {
    guard: 'a window admits its limit, and no unit more (Lua)',
    file: 'src/adapters/ioredis/limits/fixed-window-lua.ts',
    where: 'fits',
    search: 'return rule.count + ask <= rule.limit',
    replace: 'return rule.count + ask <= rule.limit + 1',
    test: RATES_TEST,
    title: under('fixed-window'),
  },
  {
    guard: 'no more bodies run than there are slots (Lua)',
    file: 'src/adapters/ioredis/limits/concurrency-lua.ts',
    where: 'fits',
    search: 'return rule.others + 1 <= rule.limit',
    replace: 'return rule.others + 1 <= rule.limit + 1',
    test: RATES_TEST,
    title: 'concurrency: never more bodies at once than slots, and no slot is left unused',
  },
  {
    guard: 'the block cache repeats no refusal to a smaller cost',
    file: 'src/core/limits/block-cache.ts',
    where: 'BlockCache.find',
    search: 'cost >= refusal.cost && ',
    replace: '',
    test: RATES_TEST,
    title: under('gcra'),
  },
  {
    guard: 'a refusal needs a reason',
    file: CHECKER,
    where: 'judgeRefusal',
    search: "if (!may(sent)) return [{ rule: 'refused with room', at: sent, detail: told }];\n  if (!may(",
    replace: 'if (!may(sent)) return [];\n  if (!may(',
    test: CHECKER_TEST,
    title: 'sliding-window-log: one unit too few is found',
  },
  {
    guard: 'a wait that is told is not too long',
    file: CHECKER,
    where: 'judgeRefusal',
    search: 'may(sent + Math.max(0, retryAfterMs - 1))',
    replace: 'may(sent)',
    test: CHECKER_TEST,
    title: 'gcra: a wait that is told too long, or too short, is found',
  },
  {
    guard: 'of several rules one justifies a refusal',
    file: CHECKER,
    where: 'judgeRefusal',
    search: 'judges.some((judge) => judge.mayRefuse(call, at))',
    replace: 'judges.every((judge) => judge.mayRefuse(call, at))',
    test: CHECKER_TEST,
    title: 'of several rules, each admission keeps all, and a refusal needs one',
  },
  {
    guard: 'the block cache refuses within what the store has told',
    file: CHECKER,
    where: 'covers',
    search: ' && sent <= refusal.received + refusal.retryAfterMs',
    replace: '',
    test: CHECKER_TEST,
    title: 'a refusal of the block cache lies within what the store had told this process',
  },
  {
    guard: 'what nobody knows may have been taken',
    file: INTERVALS,
    where: 'judgeIntervals',
    search: ".filter(({ outcome }) => outcome !== 'refused')",
    replace: ".filter(({ outcome }) => outcome === 'admitted')",
    test: CHECKER_TEST,
    title: 'a refusal is justified by what may have been taken, and by nothing else',
  },
  {
    guard: 'only calls that lie in an interval as a whole are surely in it',
    file: 'test/rates/densest.ts',
    where: 'eachInterval',
    search: 'visit(from, units, end.received - from)',
    replace: 'visit(from, units, end.received - from - 3)',
    test: CHECKER_TEST,
    title: 'a log: the call that is surely in the window is one too many, the one that may be outside is not',
  },
  {
    guard: 'each fixed window holds its limit',
    file: WINDOWS,
    where: 'judgeWindows',
    search: 'inIt > limit ?',
    replace: 'inIt > 2 * limit ?',
    test: CHECKER_TEST,
    title: 'fixed-window: one unit too many is found',
  },
  {
    guard: 'an admission of the counter needs room in its estimate',
    file: COUNTER,
    where: 'judgeCounter',
    search: 'least > limit + 1e-6 ?',
    replace: 'false ?',
    test: CHECKER_TEST,
    title: 'sliding-window-counter: one unit too many is found',
  },
  {
    guard: 'a counter counts nothing of the window before a gap',
    file: COUNTER_WINDOWS,
    where: 'linkOf',
    search: 'if (window.endsBefore - previous.endsAfter < 2 * perMs - GRAIN_MS) return',
    replace: 'if (true) return',
    test: CHECKER_TEST,
    title: 'a counter: after a window without admissions, the next window begins with the next call',
  },
  {
    guard: 'the windows of a counter agree with each other',
    file: COUNTER_WINDOWS,
    where: 'counterWindows',
    search: 'low - high > GRAIN_MS ?',
    replace: 'false ?',
    test: CHECKER_TEST,
    title:
      'a counter: a window that begins between the end of the one before and a whole window later is wrong',
  },
  {
    guard: 'no window is longer than its rule says',
    file: WINDOWS_OF_CALLS,
    where: 'windowsOfCalls',
    search: ' || leftOf(call) > perMs)',
    replace: ')',
    test: CHECKER_TEST,
    title: 'fixed-window: a window that is 1 ms too long is found',
  },
  {
    guard: 'the window of a slow call is known where only one fits',
    file: WINDOWS_OF_CALLS,
    where: 'windowsOfCalls',
    search: 'if (place.endsBefore - low >= perMs || high - place.endsAfter >= perMs)',
    replace: 'if (call.received - call.sent > perMs / 4)',
    test: CHECKER_TEST,
    title: 'a counter: a call with a late reply belongs to the window that its reset gives',
  },
  {
    guard: 'a slow call may belong to each window that fits',
    file: WINDOWS_OF_CALLS,
    where: 'finish',
    search: 'unitsOf(doubts, (low, high) => mayEnd({ endsAfter, endsBefore }, low, high))',
    replace: 'unitsOf(doubts, () => false)',
    test: CHECKER_TEST,
    title: 'a fixed window: a call that may belong to either of two windows justifies refusals in both',
  },
  {
    guard: 'a slow call belongs to no window that does not fit',
    file: WINDOWS_OF_CALLS,
    where: 'finish',
    search: 'unitsOf(doubts, (low, high) => mayEnd({ endsAfter, endsBefore }, low, high))',
    replace: 'unitsOf(doubts, () => true)',
    test: CHECKER_TEST,
    title: 'a fixed window: a call that may belong to either of two windows justifies refusals in both',
  },
  {
    guard: 'a run is not refused while a slot is free',
    file: RUNS,
    where: 'checkRuns',
    search: "outcome === 'refused' && !isFull(sent, received)",
    replace: "outcome === 'refused' && false",
    test: CHECKER_TEST,
    title: 'slots: a refusal while one was free all the time is found',
  },
];
