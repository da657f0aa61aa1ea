/** The guards of stale values: grace, timeouts, refresh ahead. See cache.js for the format. */
const UNIT = 'test/cache/staleness.test.ts';
const MEMORY = 'test/contract/memory.test.ts';
const REDIS = 'test/contract/ioredis.test.ts';

export const stalenessMutations = [
  {
    guard: 'refresh-waits-for-the-back-off-memory',
    test: MEMORY,
    on: 'memory',
    title: 'release keeps a kept value, with or without a time before which it is not loaded again',
  },
  {
    guard: 'one-refresh-at-a-time-memory',
    test: MEMORY,
    on: 'memory',
    title: 'a kept value has one lease, which its holder may ask for again',
  },
  {
    guard: 'value-lives-as-long-as-its-refresh-memory',
    test: MEMORY,
    on: 'memory',
    title: 'a kept value lives as long as its lease',
  },
  {
    guard: 'release-keeps-the-value-memory',
    replace: 'isRefreshable(lease)',
    by: 'false',
    test: MEMORY,
    on: 'memory',
    title: 'release keeps a kept value, with or without a time before which it is not loaded again',
  },
  {
    guard: 'refresh-waits-for-the-back-off-lua',
    test: REDIS,
    on: 'one Redis',
    title: 'release keeps a kept value, with or without a time before which it is not loaded again',
  },
  {
    guard: 'one-refresh-at-a-time-lua',
    test: REDIS,
    on: 'one Redis',
    title: 'a kept value has one lease, which its holder may ask for again',
  },
  {
    guard: 'value-lives-as-long-as-its-refresh-lua',
    test: REDIS,
    on: 'one Redis',
    title: 'a kept value lives as long as its lease',
  },
  {
    guard: 'release-keeps-the-value-lua',
    replace: 'is_refreshable(found)',
    by: 'false',
    test: REDIS,
    on: 'one Redis',
    title: 'release keeps a kept value, with or without a time before which it is not loaded again',
  },
  {
    guard: 'stale-value-is-no-hit',
    test: UNIT,
    title: 'grace: a new value replaces the stale one',
  },
  {
    guard: 'stale-value-has-a-bound',
    replace: ', entry.freshUntil + policy.grace',
    test: UNIT,
    title: 'grace: the shorter one counts, of the call that stored the value and of the one that asks',
  },
  {
    guard: 'stale-value-ends-older-ones-in-memory',
    test: UNIT,
    title: 'G4 monotonic reads: a stale value ends an older one in memory',
  },
  {
    guard: 'stale-value-ends-while-a-call-waits',
    replace: 'clock.now() < until && ',
    test: UNIT,
    title: 'softTimeout: a stale value whose grace ends during the wait is not returned',
  },
  {
    guard: 'stale-value-is-not-below-the-high-water-mark',
    replace: ' && highWaterMarks.permits(key, loadedAt)',
    test: UNIT,
    title: 'G4 monotonic reads: a stale value is not returned after a newer one of an uncached load',
  },
  {
    guard: 'own-invalidation-ends-a-stale-value-at-hand',
    replace: ' && !load.isDetached',
    test: UNIT,
    title: 'G3 read your writes: an unacknowledged invalidation by * ends a stale value at hand',
  },
  {
    guard: 'own-invalidation-ends-stale-values',
    replace: '!load.isDetached',
    by: 'true',
    test: UNIT,
    title: 'G3 read your writes: an unacknowledged invalidation by * ends a stale value at hand',
  },
  {
    guard: 'stale-value-stands-after-a-failure',
    replace: 'isKept &&',
    test: UNIT,
    title: 'I12 a stale value that * invalidates by * during the load is not returned when it fails',
  },
  {
    guard: 'stale-value-has-its-nonces-after-a-failure',
    replace: ' &&\n      replaced.tags.every(({ nonce }, i) => nonces[i + 1] === nonce)',
    test: UNIT,
    title: 'I12 a stale value that * invalidates by * during the load is not returned when it fails',
  },
  {
    guard: 'uncached-load-that-fails-permits-stale-values',
    test: UNIT,
    title:
      'a stale value is returned if the load fails without a lease, because the store has failed meanwhile',
  },
  {
    guard: 'shed-load-permits-stale-values',
    test: UNIT,
    title: 'a load that is shed returns the stale value',
  },
  {
    guard: 'call-without-a-stale-value-loads-in-the-back-off',
    replace: "!load.isBackedOff || found.status === 'stale'",
    by: 'true',
    test: UNIT,
    title: 'back-off: a call that joins a load and can return no stale value loads itself',
  },
  {
    guard: 'load-behind-a-stale-value-goes-on',
    test: UNIT,
    title: 'a load behind a stale value is not aborted, also when another call leaves it',
  },
  {
    guard: 'load-with-callers-is-not-aborted',
    replace: ' || this.#waiting > 0',
    test: UNIT,
    title:
      'the signal of a load aborts when its last call has left by hardTimeout, and no call joins it then',
  },
  {
    guard: 'aborted-load-is-not-joined',
    replace: 'if (load.leave({ cause })) this.#context.inFlight.remove(load)',
    by: 'load.leave({ cause })',
    test: UNIT,
    title:
      'the signal of a load aborts when its last call has left by hardTimeout, and no call joins it then',
  },
  {
    guard: 'refresh-without-a-lease-does-not-load',
    replace: "load.reject(new Error('The lease of a refresh was not granted.'))",
    by: 'await loadUncached(context, load, call)',
    test: UNIT,
    title: 'refreshAhead: a refresh that gets no lease does not load',
  },
  {
    guard: 'l1-entry-ends-before-its-refresh',
    replace: ' - l1RefreshLead(entry, policy)',
    test: UNIT,
    title: 'refreshAhead: a value in memory is refreshed, too',
  },
];
