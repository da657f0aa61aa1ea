const VERIFY = 'test/cache/verification.test.ts';
const DIFFERENCE = 'test/values/difference.test.ts';

/** The guards of `verify`. See cache.js. */
export const verifyMutations = [
  // --- who is accused ----------------------------------------------------------------------------------------------
  {
    guard: 'writer-has-time-to-invalidate',
    test: VERIFY,
    title: 'a writer between its commit and its invalidation is not accused',
  },
  {
    guard: 'entry-that-has-ended-is-not-loaded-again',
    test: VERIFY,
    title: 'a writer between its commit and its invalidation is not accused',
  },
  {
    guard: 'stale-entry-stands-after-the-second-load',
    replace: 'await this.#find(hit)',
    by: '{ value: 1 as unknown }',
    test: VERIFY,
    title: 'a writer that invalidates during the second load is not accused',
  },
  {
    guard: 'both-loads-agree',
    replace: 'first, second.value',
    by: 'second.value, second.value',
    test: VERIFY,
    title: 'what differs in every load accuses nobody, and does not hide what is stale beside it',
  },
  {
    guard: 'queued-invalidation-is-not-forgotten',
    test: VERIFY,
    title: 'an invalidation that is queued is not forgotten',
  },
  {
    guard: 'entry-in-question-is-the-one-that-was-returned',
    replace: 'entry?.token !== token',
    by: 'entry === undefined',
    test: VERIFY,
    title: 'an entry that another load has replaced is not the one that was returned',
  },
  {
    guard: 'entry-in-question-has-its-clear-nonce',
    test: VERIFY,
    title: 'a writer of another process that invalidates by * is not accused',
  },
  {
    guard: 'entry-in-question-has-its-tag-nonces',
    test: VERIFY,
    title: 'a writer of another process that invalidates by * is not accused',
  },
  {
    guard: 'changed-arguments-are-not-verified',
    replace: ' || !hasItsKey(sample)',
    test: VERIFY,
    title: 'a call whose arguments have changed since is not verified',
  },
  {
    guard: 'load-that-fails-accuses-nobody',
    replace: 'settle(undefined)',
    by: 'settle({ value: undefined })',
    test: VERIFY,
    title: 'a load that fails or cannot be stored accuses nobody',
  },
  {
    guard: 'values-are-compared-as-they-are-stored',
    replace: /restore\([^]*\)/,
    by: '{ value, cause: undefined }',
    test: VERIFY,
    title: 'values are compared as they are stored: a codec that leaves a part out accuses nobody',
  },
  // --- how the method runs -----------------------------------------------------------------------------------------
  {
    guard: 'sampled-call-does-not-end-in-memory',
    replace: 'isSampled ? undefined : ',
    test: VERIFY,
    title: 'a hit in memory is verified, too',
  },
  {
    guard: 'verification-asks-the-source',
    test: VERIFY,
    title: 'the method asks the source: cached calls in it run uncached and store nothing, in every Caching',
  },
  {
    guard: 'verification-is-no-part-of-a-load',
    replace: 'tracker: undefined, outer: undefined',
    by: 'tracker: currentLoadContext()?.tracker, outer: currentLoadContext()',
    test: VERIFY,
    title: 'a hit within a load is verified beside that load, which has the tags that it had',
  },
  {
    guard: 'verification-leaves-a-load-that-hangs',
    replace: 'resolve(undefined);',
    test: VERIFY,
    title: 'a load that hangs is told to stop after loadTimeout, and others are verified then',
  },
  // --- the budget --------------------------------------------------------------------------------------------------
  {
    guard: 'verification-runs-one-load-at-a-time',
    replace: 'this.#isBusy || ',
    test: VERIFY,
    title: 'one load runs at a time; other hits are not verified meanwhile, and wait for nothing',
  },
  {
    guard: 'verification-has-a-budget',
    replace: 'this.#context.clock.now() < this.#restsUntil || ',
    test: VERIFY,
    title: 'loads take a tenth of the time of one',
  },
  {
    guard: 'one-suspect-of-a-method',
    replace: ' || this.#suspects.has(counts)',
    test: VERIFY,
    title: 'one value of a method waits for its second load, and second loads take turns',
  },
  {
    guard: 'second-loads-take-turns',
    test: VERIFY,
    title: 'one value of a method waits for its second load, and second loads take turns',
  },
  // --- the comparison ----------------------------------------------------------------------------------------------
  {
    guard: 'what-differs-between-loads-does-not-count',
    replace: 'this.#agree(first, second)',
    by: 'true',
    test: DIFFERENCE,
    title: 'what differs between the two loads does not count; what they agree about does',
  },
  {
    guard: 'loads-of-two-kinds-are-not-compared',
    test: DIFFERENCE,
    title: 'what differs between the two loads does not count; what they agree about does',
  },
  {
    guard: 'comparison-ends-in-cycles',
    test: DIFFERENCE,
    title: 'cycles end',
  },
  {
    guard: 'path-has-no-data',
    replace: 'parent instanceof Map || parent instanceof Set || !NAME.test(String(name))',
    by: 'false',
    test: DIFFERENCE,
    title: 'the path has no data: no key of a Map, and no property that is no name',
  },
];
