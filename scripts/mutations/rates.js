/** The guards of rate limits in core, in the shape of entries.js. */

const LOCAL = 'src/core/limits/local-rate-store.ts';
const METER = 'src/core/limits/rate-meter.ts';
const LOG = 'src/core/limits/rate-sliding-window-log.ts';
const COUNTER = 'src/core/limits/rate-sliding-window-counter.ts';
const BLOCKS = 'src/core/limits/block-cache.ts';
const JUDGE = 'src/core/limits/limit-judge.ts';
const RUNS = 'src/core/limits/limit-runs.ts';
const SLOTS = 'src/core/limits/held-slots.ts';
const WAITS = 'src/core/limits/limit-waits.ts';
const RULES = 'src/core/limits/rule-set.ts';
const ALGORITHMS_TEST = 'test/core/rate-algorithms.test.ts';
const PROPERTIES_TEST = 'test/core/rate-properties.test.ts';
const EXPIRING_TEST = 'test/core/expiring.test.ts';
const LOCAL_TEST = 'test/core/local-rate-store.test.ts';
const RULES_TEST = 'test/core/rate-rules.test.ts';
const LIMITS_TEST = 'test/core/limits.test.ts';
const BLOCKS_TEST = 'test/core/limit-block-cache.test.ts';
const FALLBACK_TEST = 'test/core/limit-fallback.test.ts';
const RUNS_TEST = 'test/core/limit-runs.test.ts';
const WAITS_TEST = 'test/core/limit-waits.test.ts';

export const ratesMutations = [
  // --- what is counted ----------------------------------------------------------------------------------------------
  {
    guard: 'units are taken from all rules or from none',
    file: LOCAL,
    where: 'LocalRateStore.consume',
    search: 'blockedMs === 0 && allowed.every(Boolean)',
    replace: 'blockedMs === 0 && allowed.some(Boolean)',
    test: LOCAL_TEST,
    title: 'several rules take together or not at all, each by its own algorithm',
  },
  {
    guard: 'a clock that steps back pays nothing back, and does not date the state back',
    file: METER,
    where: 'later',
    search: 'state === undefined ? now : Math.max(now, state.at)',
    replace: 'now',
    test: ALGORITHMS_TEST,
    title: 'gcra stands still while a clock that stepped back catches up',
  },
  {
    guard: 'what is kept ends by the latest time that was seen',
    file: 'src/core/limits/expiring.ts',
    where: 'Expiring.#now',
    search: 'this.#latest = Math.max(this.#latest, this.#clock.now());',
    replace: 'this.#latest = this.#clock.now();',
    test: ALGORITHMS_TEST,
    title: 'fixed-window lets no more through because its clock steps back',
  },
  {
    guard: 'a unit leaves the log a whole window after it was taken',
    file: LOG,
    where: 'liveAt',
    search: 'if (at > end) break;',
    replace: 'if (at >= end) break;',
    test: PROPERTIES_TEST,
    title:
      'sliding-window-log: whoever comes back after the time he was told has room, and not a millisecond before',
  },
  {
    guard: 'the window before counts for its share',
    file: COUNTER,
    where: 'windowsAt',
    search: 'current: 0, previous: state.current };',
    replace: 'current: 0, previous: 0 };',
    test: ALGORITHMS_TEST,
    title: 'sliding-window-counter lets the window before count for its share',
  },
  {
    guard: 'only requests that took something are remembered',
    file: LOCAL,
    where: 'LocalRateStore.consume',
    search: 'if (takes && repeatable)',
    replace: 'if (repeatable)',
    test: LIMITS_TEST,
    title: 'a request that was refused, or was given back, asks anew',
  },
  {
    guard: 'what is kept is bounded',
    file: 'src/core/limits/expiring.ts',
    where: 'Expiring.set',
    search: 'this.#kept.size >= this.#max',
    replace: 'this.#kept.size >= this.#max * 1_000',
    test: LOCAL_TEST,
    title: 'a flood of new keys keeps no more than the store may keep',
  },
  {
    guard: 'what is asked for goes last where there is too much',
    file: 'src/core/limits/expiring.ts',
    where: 'Expiring.get',
    search: `    kept.leave();
    kept.enterBefore(this.#ends);
    return kept.value;`,
    replace: '    return kept.value;',
    test: EXPIRING_TEST,
    title: 'what is kept is what a list in the order of use would keep',
  },
  {
    guard: 'rules that changed since they were resolved are resolved again',
    file: RULES,
    where: 'find',
    search: '(before.said === undefined || saysStill(before.said, given))',
    replace: 'true',
    test: RULES_TEST,
    title: 'a rule that is changed after it was given counts as it says now',
  },

  // --- refusals that are remembered ---------------------------------------------------------------------------------
  {
    guard: 'a refusal holds for costs that are not smaller',
    file: BLOCKS,
    where: 'BlockCache.find',
    search: ' && cost >= refusal.cost',
    replace: '',
    test: BLOCKS_TEST,
    title: 'a refusal holds for higher costs and for no lower one',
  },
  {
    guard: 'a refusal for want of a slot is not remembered',
    file: BLOCKS,
    where: 'BlockCache.remember',
    search: 'if (!holds(decision) || ',
    replace: 'if (',
    test: BLOCKS_TEST,
    title: 'a refusal for want of a slot is never remembered (alone)',
  },
  {
    guard: 'a refusal that was overtaken on its way is not remembered',
    file: BLOCKS,
    where: 'BlockCache.remember',
    search: ' || !this.#drops.allows(subject, asOf)',
    replace: '',
    test: BLOCKS_TEST,
    title: 'a refusal that a reset elsewhere has overtaken on its way is not remembered',
  },
  {
    guard: 'a wake drops what is remembered',
    file: 'src/core/limits/limits.ts',
    where: 'Limits.wake',
    search: '    this.#judge.refusals.drop(subject);\n    this.#runs.wake(subject);',
    replace: '    this.#runs.wake(subject);',
    test: BLOCKS_TEST,
    title: 'a reward elsewhere drops a refusal',
  },

  // --- a store that is away -----------------------------------------------------------------------------------------
  {
    guard: 'a request without a name is never sent twice',
    file: JUDGE,
    where: 'LimitJudge.#consume',
    search: 'if (!request.repeatable) return this.#store.consume(request, budget);',
    replace: '',
    test: FALLBACK_TEST,
    title: 'a request without a name is never sent twice',
  },
  {
    guard: 'each of several processes counts to its share',
    file: 'src/core/limits/limit-fallback.ts',
    where: 'LimitFallback.share',
    search: 'if (processes === 1) return request;',
    replace: 'return request;',
    test: FALLBACK_TEST,
    title: 'local: each of several processes counts to its share, rounded up',
  },

  // --- runs and waits -----------------------------------------------------------------------------------------------
  {
    guard: 'a slot is renewed while its work runs',
    file: SLOTS,
    where: 'HeldSlot.#renewLater',
    search: '      this.#timer = this.#renewLater();\n',
    replace: '',
    test: RUNS_TEST,
    title: 'a slot is renewed at every third of its life for as long as the work runs, and not after',
  },
  {
    guard: 'a slot is given back whatever comes of the work',
    file: RUNS,
    where: 'LimitRuns.run',
    search: '      await slot?.giveBack();\n',
    replace: '',
    test: RUNS_TEST,
    title: 'a slot is held while the work runs, in all processes together, and free when run has resolved',
  },
  {
    guard: 'a slot that was lost is not taken again after the work has ended',
    file: SLOTS,
    where: 'HeldSlot.#renew',
    search: 'if (!known && !this.#over)',
    replace: 'if (!known)',
    test: RUNS_TEST,
    title: 'a slot that was lost is not taken again when the work has ended meanwhile',
  },
  {
    guard: 'units that come back between the answer and the wait wake it',
    file: WAITS,
    where: 'LimitWaits.#listen',
    search: '      woken = true;\n',
    replace: '',
    test: WAITS_TEST,
    title: 'units that come back between the answer and the wait wake it all the same',
  },
  {
    guard: 'a wait that cannot help is not begun',
    file: WAITS,
    where: 'LimitWaits.#pauseAfter',
    search: 'if (left <= 0 || due > left)',
    replace: 'if (left <= 0)',
    test: WAITS_TEST,
    title: 'a wait that cannot help is not begun',
  },
];
