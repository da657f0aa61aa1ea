/** The guards of rate limits, in the shape of cache.js. */
export const limitsMutations = [
  // --- what is counted, in this process --------------------------------------------------------------------------------
  {
    guard: 'all-rules-or-none-memory',
    replace: 'allowed.every(Boolean)',
    by: 'allowed.some(Boolean)',
    test: 'test/core/local-rate-store.test.ts',
    title: 'several rules take together or not at all, each by its own algorithm',
  },
  {
    guard: 'gcra-stands-still-while-the-clock-is-back',
    replace: 'Math.max(now, state.at)',
    by: 'now',
    test: 'test/core/rate-algorithms.test.ts',
    title: '* stands still while a clock that stepped back catches up',
  },
  {
    guard: 'window-ends-by-the-latest-time',
    replace: 'Math.max(this.#latest, this.#clock.now())',
    by: 'this.#clock.now()',
    test: 'test/core/rate-algorithms.test.ts',
    title: '* lets no more through because its clock steps back',
  },
  {
    guard: 'log-counts-for-a-whole-window',
    replace: 'at > end',
    by: 'at >= end',
    test: 'test/core/rate-properties.test.ts',
    title: '*: whoever comes back after the time he was told has room, and not a millisecond before',
  },
  {
    guard: 'previous-window-counts-for-its-share',
    replace: 'state.current',
    by: '0',
    test: 'test/core/rate-algorithms.test.ts',
    title: 'sliding-window-counter lets the window before count for its share',
  },
  // --- denials that are remembered -------------------------------------------------------------------------------------
  {
    guard: 'denial-holds-for-no-lower-cost',
    replace: ' && cost >= denied',
    test: 'test/core/limit-block-cache.test.ts',
    title: 'a refusal holds for higher costs and for no lower one',
  },
  {
    guard: 'denied-slot-is-not-remembered',
    replace: '!isFinal(decision) || ',
    test: 'test/core/limit-block-cache.test.ts',
    title: 'a refusal for want of a slot is never remembered (*)',
  },
  {
    guard: 'overtaken-denial-is-not-remembered',
    replace: ' || !this.#drops.permits(subject, sequence)',
    test: 'test/core/limit-block-cache.test.ts',
    title: 'a refusal that a reset * has overtaken on its way is not remembered',
  },
  {
    guard: 'wake-drops-denials',
    test: 'test/core/limit-block-cache.test.ts',
    title: '* drops a refusal',
  },
  // --- a store that is away --------------------------------------------------------------------------------------------
  {
    guard: 'request-without-a-name-is-sent-once',
    replace: '!request.repeatable || ',
    test: 'test/core/limit-fallback.test.ts',
    title: 'a request without a name is never sent twice',
  },
  {
    guard: 'lost-request-is-repeated-until-it-is-answered',
    replace: 'lost === undefined && ',
    test: 'test/core/limit-fallback.test.ts',
    title: 'a named request whose reply is lost is sent until the connection is back',
  },
  {
    guard: 'process-counts-its-share-only',
    replace: 'if (processes === 1) ',
    test: 'test/core/limit-fallback.test.ts',
    title: 'local: each of several processes counts to its share, rounded up',
  },
  {
    guard: 'slots-of-a-lost-request-are-released',
    test: 'test/core/release-retries.test.ts',
    title: 'a slot that the store gives after its caller gave up is released within a moment',
  },
  // --- runs and waits --------------------------------------------------------------------------------------------------
  {
    guard: 'running-call-renews-its-slot',
    test: 'test/core/limit-runs.test.ts',
    title: 'a slot is renewed at every third of its life for as long as the work runs, and not after',
  },
  {
    guard: 'ended-run-releases-its-slot',
    test: 'test/core/limit-runs.test.ts',
    title: 'a slot is held while the work runs, in all processes together, and free when run has resolved',
  },
  {
    guard: 'slot-release-is-retried-until-its-end',
    test: 'test/core/release-retries.test.ts',
    title: 'a slot that cannot be released is released as soon as the store can be asked',
  },
  {
    guard: 'ended-run-takes-no-slot-again',
    replace: ' && !this.#isOver',
    test: 'test/core/limit-runs.test.ts',
    title: 'a slot that was lost is not taken again when the work has ended meanwhile',
  },
  {
    guard: 'early-wake-is-not-lost',
    test: 'test/core/limit-waits.test.ts',
    title: 'units that come back between the answer and the wait wake it all the same',
  },
  // --- what is counted, in Redis ---------------------------------------------------------------------------------------
  {
    guard: 'all-rules-or-none-lua',
    replace: '(all or forced)',
    by: '(rules[1].allowed or forced)',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'takes from all rules or from none',
  },
  {
    guard: 'blocked-subject-is-not-charged-lua',
    replace: 'blocked == 0',
    by: 'true',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a block refuses everything of its subject, takes nothing, and ends',
  },
  {
    guard: 'request-sees-those-before-it-lua',
    replace: 'written[key] or ',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'gcra*: a hundred at once on one subject are let through to the limit and no further',
  },
  {
    guard: 'gcra-stands-still-while-the-clock-is-back-lua',
    replace: 'max(now, tonumber(at))',
    by: 'now',
    test: 'test/adapters/ioredis-rates-twin.test.ts',
    title: 'Property: Redis counts to the last digit as core does, whatever time does: *gcra',
  },
  {
    guard: 'numbers-are-kept-with-all-digits-lua',
    replace: "'%.17g'",
    by: "'%.14g'",
    test: 'test/adapters/ioredis-rates-twin.test.ts',
    title:
      'Property: Redis counts to the last digit as core does, whatever time does: *numbers that no double holds exactly',
  },
  {
    guard: 'every-unit-of-a-log-counts-lua',
    replace: '(rule.serial + i) % 1e10',
    by: 'i',
    test: 'test/adapters/ioredis-rates-twin.test.ts',
    title: 'Property: Redis counts to the last digit as core does, whatever time does: *sliding-window-log',
  },
  {
    guard: 'repeated-request-is-answered-once-lua',
    test: 'test/adapters/ioredis-rates.test.ts',
    title: 'a reply that was lost: the same request again is answered, and taken once',
  },
  {
    guard: 'request-is-repeated-in-one-script-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'answers a repeated request as the first time and takes once',
  },
  {
    guard: 'refund-forgets-the-answer-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'forgets the answer to a request whose units are given back',
  },
  {
    guard: 'ended-slot-is-not-renewed-lua',
    replace: 'rule.others < rule.used',
    by: 'true',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a slot that is renewed does not end, and one that has ended is not renewed',
  },
  {
    guard: 'sorted-set-has-an-end-lua',
    test: 'test/adapters/ioredis-rates.test.ts',
    title: 'no key is ever without an end',
  },
  // --- requests that travel together -----------------------------------------------------------------------------------
  {
    guard: 'script-has-requests-of-one-slot',
    replace: 'slotOf === undefined',
    by: 'slotOf !== null',
    test: 'test/adapters/ioredis-rates.test.ts',
    title: 'in a Cluster all that belongs to a subject is in one slot, and subjects are spread',
  },
  {
    guard: 'deadline-ends-its-own-calls-only',
    replace: 'of calls',
    by: 'of this.calls',
    test: 'test/adapters/ioredis-rates.test.ts',
    title: 'a budget that is over ends its own call and no other of the batch',
  },
];
