/** The guards of writes that mark their entries (`safe`). See cache.js for the format. */
const UNIT = 'test/cache/write-mark.test.ts';
const MEMORY = 'test/contract/memory.test.ts';
const REDIS = 'test/contract/ioredis.test.ts';

/** A guard that both stores have, under a name of its own. */
function inBoth(guard, title, memory = {}, redis = {}) {
  return [
    { guard: `${guard}-memory`, test: MEMORY, on: 'memory', title, ...memory },
    { guard: `${guard}-lua`, test: REDIS, on: 'one Redis', title, ...redis },
  ];
}

export const markMutations = [
  ...inBoth(
    'replaced-value-does-not-stand-again',
    'a set under a mark is refused, and what stood before it does not stand again',
  ),
  ...inBoth('marks-of-others-stay', 'an invalidation without a mark leaves the marks of writes', {
    replace: 'if (marks.length > 0) this.#setDoubt(kind, key, { marks, base: undefined });\n    else ',
  }),
  ...inBoth(
    'marked-lease-wakes-its-waiters',
    'a marked lease is lost for its load, and its waiters are woken',
    { test: UNIT, on: undefined, title: 'calls that wait for a load are woken by a mark' },
  ),
  ...inBoth(
    'marked-lease-does-not-stand-again',
    'a marked lease is lost for its load, and its waiters are woken',
  ),
  ...inBoth(
    'marked-refresh-lease-does-not-stand-again',
    'a marked value stands again without the lease of its refresh, which is lost',
    {},
    {
      replace: 'string.rep(string.char(0), ${REFRESHABLE_HEAD - REFRESH_LEASE_AT})',
      by: 'string.sub(bytes, ${REFRESH_LEASE_AT + 1}, ${REFRESHABLE_HEAD})',
    },
  ),
  ...inBoth(
    'lifted-mark-takes-its-lease',
    'a put whose mark another write has joined leaves no lease: a value stands again without it',
    { replace: 'base !== undefined && hasLease(base.bytes, token)', by: 'false as boolean' },
  ),
  ...inBoth(
    'mark-that-has-ended-ends-what-stood-before',
    'a mark that has ended takes the entry with it also if another write has a mark',
    { replace: 'hasEnded ? undefined : doubt.base', by: 'doubt.base' },
  ),
  ...inBoth(
    'ended-mark-of-a-nonce-stays',
    'a mark that has ended takes the entry with it also if another write has a mark',
    { replace: "kind === 'nonces' ? [...ended, ...live] : live", by: 'live' },
    { replace: "ARGV[2] == '0'", by: 'true' },
  ),
  ...inBoth(
    'nonce-in-doubt-is-not-replaced',
    'an invalidation without a mark leaves the marks of writes',
    { replace: 'return null', by: 'return latin1(this.#getOrCreate(key, ttlMs, () => bytes(fresh)))' },
    { replace: 'is_in_doubt(found)', by: 'false' },
  ),
  ...inBoth(
    'ended-mark-is-told',
    'a nonce whose mark has ended is told, and not replaced before an invalidation',
    {},
    { replace: '#live == 0 and 1 or 0', by: '0' },
  ),
  ...inBoth(
    'fill-under-the-mark-of-another-is-refused',
    'a put under the mark of another write stores nothing, and the other mark stays',
  ),
  {
    guard: 'mark-that-has-ended-ends-what-stands-again-memory',
    replace: 'hasEnded ? undefined : doubt.base',
    by: 'doubt.base',
    test: UNIT,
    title: 'a mark that has ended takes the entry with it, also when another write fails',
  },
  {
    guard: 'mark-that-has-ended-ends-what-stands-again-lua',
    test: REDIS,
    on: 'one Redis',
    title: 'a write that fails after the mark of another one has ended puts nothing back',
  },
  {
    guard: 'unmarked-value-has-its-end-memory',
    replace: '{ ttl }',
    by: '{ ttl: 86_400_000 }',
    test: UNIT,
    title: 'what stood before a mark ends with its own ttl',
  },
  {
    guard: 'mark-is-reported-memory',
    test: UNIT,
    title: 'G12 a process that dies between commit and invalidation*with an L1*',
  },
  {
    guard: 'mark-is-published-lua',
    test: 'test/adapters/ioredis/changes.test.ts',
    title: '*bus*: G12 a mark ends what is in the memory of another process, and of this one',
  },
  {
    guard: 'key-in-doubt-is-not-read',
    test: UNIT,
    title: 'a read of a marked key asks the store once, and says why it misses',
  },
  {
    guard: 'entry-under-a-marked-nonce-is-kept',
    replace: "now < endsAt ? inDoubt(context, request) : miss(context, request, 'invalidated', token)",
    by: "miss(context, request, 'invalidated', token)",
    test: UNIT,
    title: 'G12 a write that fails: what was stored is valid again*without an L1*',
  },
  {
    guard: 'ended-mark-is-an-invalidation',
    test: UNIT,
    title:
      'G12 a value with a tag of its result that was loaded under a mark is not stored after the writer has died',
  },
  {
    guard: 'load-under-a-mark-keeps-no-lease',
    test: UNIT,
    title: 'G12 a load under a marked tag leaves no lease',
  },
  {
    guard: 'value-in-doubt-is-not-kept-for-an-outage',
    replace: '&& !load.isInDoubt',
    test: UNIT,
    title: 'a value that is loaded under a mark is not kept for an outage',
  },
  {
    guard: 'memory-has-nothing-under-a-mark',
    test: 'test/adapters/ioredis/changes.test.ts',
    title: '*bus*: G12 a mark ends what is in the memory of another process, and of this one',
  },
  {
    guard: 'running-write-renews-its-mark',
    test: UNIT,
    title: 'G12 a write that takes longer than safe keeps its mark',
  },
  {
    guard: 'failed-write-lifts-its-mark',
    test: UNIT,
    title: 'G12 a write that fails: what was stored is valid again*without an L1*',
  },
];
