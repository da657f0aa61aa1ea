/** The guards of rate limits, in the shape of cache.js. */
export const limitsMutations = [
  // --- what is counted, in this process --------------------------------------------------------------------------------
  {
    guard: 'all-rules-or-none-memory',
    replace: 'allowed.every(Boolean)',
    by: 'allowed.some(Boolean)',
    test: 'test/limits/local-rate-store.test.ts',
    title: 'all rules of a request are charged, or none',
  },
  {
    guard: 'gcra-stands-still-while-the-clock-is-back',
    replace: 'Math.max(now, state.updatedAt)',
    by: 'now',
    test: 'test/limits/algorithms/algorithms.test.ts',
    title: '* does not move while a clock that stepped back catches up',
  },
  {
    guard: 'window-ends-by-the-latest-time',
    replace: 'Math.max(this.#latest, this.#clock.now())',
    by: 'this.#clock.now()',
    test: 'test/limits/algorithms/algorithms.test.ts',
    title: '* admits no more when the clock steps back',
  },
  {
    guard: 'log-counts-for-a-whole-window',
    replace: 'takenAt > end',
    by: 'takenAt >= end',
    test: 'test/limits/algorithms/properties.test.ts',
    title: 'Property: *: there is capacity after retryAfterMs, and not a millisecond before',
  },
  {
    guard: 'previous-window-counts-for-its-share',
    replace: 'state.current',
    by: '0',
    test: 'test/limits/algorithms/algorithms.test.ts',
    title: 'sliding-window-counter weights the previous window by its overlap',
  },
  // --- denials that are remembered -------------------------------------------------------------------------------------
  {
    guard: 'denial-holds-for-no-lower-cost',
    replace: 'cost >= one.cost && ',
    test: 'test/limits/denial-cache.test.ts',
    title: 'a cached denial applies to equal and higher costs only',
  },
  {
    guard: 'denied-slot-is-not-remembered',
    replace: '!isFinal(decision) || ',
    test: 'test/limits/denial-cache.test.ts',
    title: 'a denial for lack of a concurrency slot is never cached (*)',
  },
  {
    guard: 'overtaken-denial-is-not-remembered',
    replace: ' || !this.#drops.permits(subject, sequence)',
    test: 'test/limits/denial-cache.test.ts',
    title: 'a denial whose reply arrives after a reset * is not cached',
  },
  {
    guard: 'wake-drops-denials',
    test: 'test/limits/denial-cache.test.ts',
    title: '* removes a cached denial',
  },
  // --- a store that is away --------------------------------------------------------------------------------------------
  {
    guard: 'request-without-a-name-is-sent-once',
    replace: '!request.repeatable || ',
    test: 'test/limits/rate-limiter.test.ts',
    title: 'G9 rate limits: a request without a requestId is never sent twice',
  },
  {
    guard: 'lost-request-is-repeated-until-it-is-answered',
    replace: 'firstError === undefined && ',
    test: 'test/limits/rate-limiter.test.ts',
    title: 'a request with a requestId whose reply is lost is sent until the connection is back',
  },
  {
    guard: 'process-counts-its-share-only',
    replace: 'if (processes === 1) ',
    test: 'test/limits/rate-limiter.test.ts',
    title: "onUnavailable 'local': each of several processes has its share of the limit, rounded up",
  },
  {
    guard: 'slots-of-a-lost-request-are-released',
    test: 'test/shared/release-retries.test.ts',
    title: 'a concurrency slot granted after its caller gave up is released soon',
  },
  // --- runs and waits --------------------------------------------------------------------------------------------------
  {
    guard: 'running-call-renews-its-slot',
    test: 'test/limits/concurrency-slots.test.ts',
    title: 'a slot is renewed every third of its lease while the work runs, and not after',
  },
  {
    guard: 'ended-run-releases-its-slot',
    test: 'test/limits/concurrency-slots.test.ts',
    title: 'semaphore: a slot is held while the work runs, across processes, and free when run resolves',
  },
  {
    guard: 'slot-release-is-retried-until-its-end',
    test: 'test/shared/release-retries.test.ts',
    title: 'a concurrency slot that cannot be released is released once the store is available again',
  },
  {
    guard: 'ended-run-takes-no-slot-again',
    replace: ' && !this.#isOver',
    test: 'test/limits/concurrency-slots.test.ts',
    title: 'a lost slot is not taken again once the work has ended',
  },
  {
    guard: 'early-wake-is-not-lost',
    test: 'test/limits/capacity-wait.test.ts',
    title: 'a refund between the denial and the wait wakes the call too',
  },
  // --- what is counted, in Redis ---------------------------------------------------------------------------------------
  {
    guard: 'all-rules-or-none-lua',
    replace: '(is_admitted or forced)',
    by: '(rules[1].allowed or forced)',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G9 rate limits: all rules are charged, or none',
  },
  {
    guard: 'blocked-subject-is-not-charged-lua',
    replace: 'blocked == 0',
    by: 'true',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a block denies all calls of its subject, takes nothing, and ends',
  },
  {
    guard: 'request-sees-those-before-it-lua',
    replace: 'written[key] or ',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'G9 rate limits: *: of a hundred concurrent calls exactly the limit is admitted',
  },
  {
    guard: 'gcra-stands-still-while-the-clock-is-back-lua',
    replace: 'max(now, tonumber(at))',
    by: 'now',
    test: 'test/adapters/ioredis/limits/lua-twins.test.ts',
    title: 'Property: Redis and core count exactly the same for any clock: *gcra',
  },
  {
    guard: 'numbers-are-kept-with-all-digits-lua',
    replace: "'%.17g'",
    by: "'%.14g'",
    test: 'test/adapters/ioredis/limits/lua-twins.test.ts',
    title:
      'Property: Redis and core count exactly the same for any clock: *numbers that no double holds exactly',
  },
  {
    guard: 'every-unit-of-a-log-counts-lua',
    replace: '(rule.serial + i) % 1e10',
    by: 'i',
    test: 'test/adapters/ioredis/limits/lua-twins.test.ts',
    title: 'Property: Redis and core count exactly the same for any clock: *sliding-window-log',
  },
  {
    guard: 'repeated-request-is-answered-once-lua',
    test: 'test/adapters/ioredis/limits/rate-store.test.ts',
    title: 'G9 rate limits: a request whose reply was lost gets its reply when repeated, and is charged once',
  },
  {
    guard: 'request-is-repeated-in-one-script-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'answers a repeated request like the first one and charges it once',
  },
  {
    guard: 'refund-forgets-the-answer-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'forgets the reply to a request whose units are refunded',
  },
  {
    guard: 'ended-slot-is-not-renewed-lua',
    replace: 'rule.others < rule.used',
    by: 'true',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'semaphore: a renewed slot does not end, and an ended slot is not renewed',
  },
  {
    guard: 'sorted-set-has-an-end-lua',
    test: 'test/adapters/ioredis/limits/rate-store.test.ts',
    title: 'G9 rate limits: no key is without a TTL',
  },
  // --- requests that travel together -----------------------------------------------------------------------------------
  {
    guard: 'script-has-requests-of-one-slot',
    replace: 'slotOf === undefined',
    by: 'slotOf !== null',
    test: 'test/adapters/ioredis/limits/rate-store.test.ts',
    title: 'CROSSSLOT: in a Cluster all keys of a subject are in one slot, and subjects are spread',
  },
  {
    guard: 'deadline-ends-its-own-calls-only',
    replace: 'of calls',
    by: 'of this.calls',
    test: 'test/adapters/ioredis/limits/rate-store.test.ts',
    title: 'G10 bounded delay: an expired timeout ends its own call and no other of the batch',
  },
];
