/** The guards of puts. See cache.js for the format. */
const UNIT = 'test/cache/put.test.ts';
const MODE = 'test/cache/call-mode.test.ts';

export const putMutations = [
  {
    guard: 'put-ends-other-leases',
    replace: 'PUT, call',
    by: '{ ...PUT, token: undefined }, call',
    test: UNIT,
    title: 'G1 a load that started before the end of a put is not stored*without an L1*',
  },
  {
    guard: 'put-keeps-the-value-memory',
    test: UNIT,
    title: 'G2 while a put runs, the value of before is returned*without an L1*',
  },
  {
    guard: 'put-keeps-the-value-lua',
    replace: 'if not is_refreshable(found) then',
    by: 'if false then',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a put keeps *a value* readable, gets its lease from whoever has it, and replaces it',
  },
  {
    guard: 'put-value-is-reported-memory',
    test: UNIT,
    title: 'G2 while a put runs, the value of before is returned*with an L1*',
  },
  {
    guard: 'put-value-is-published-lua',
    test: 'test/adapters/ioredis/changes.test.ts',
    title: '*bus*: G2 a put ends in memory what another process has read during its write',
  },
  {
    guard: 'put-ends-older-values-in-memory',
    test: 'test/adapters/ioredis/changes.test.ts',
    title: '*bus*: G2 a put ends in memory what another process has read during its write',
  },
  {
    guard: 'put-ends-older-values-of-an-outage',
    test: UNIT,
    title: 'after a put, an outage brings no older value back',
  },
  {
    guard: 'put-ends-what-the-request-remembers',
    test: UNIT,
    title: 'a request with a memo remembers nothing from before its put',
  },
  {
    guard: 'sealed-value-has-room-for-a-lease',
    replace: 'format.isSealed || ',
    test: UNIT,
    title: 'a put keeps a sealed value readable, and the ttl of a put may depend on its result',
  },
  {
    guard: 'failed-write-releases-its-lease',
    test: UNIT,
    title: 'a write that fails changes nothing, and its lease blocks nobody',
  },
  {
    guard: 'write-does-not-wait-for-itself',
    replace: 'return runLoader({ engine: context, key, site, isWrite: true }, undefined, load)',
    by: 'return runLoader({ engine: context, key: `${key} `, site, isWrite: true }, undefined, load)',
    test: UNIT,
    title: 'a cached call of the same key within the write reads what is there now*',
  },
  {
    guard: 'put-ends-renewals-of-its-mark',
    test: UNIT,
    title: 'safe: the result is stored and the mark is gone*without an L1*',
  },
  {
    guard: 'failed-put-lifts-its-mark',
    test: UNIT,
    title: 'G12 safe: after a write that fails, what stood is valid again*without an L1*',
  },
  {
    guard: 'put-that-is-not-stored-ends-its-mark',
    replace: ', undefined, mark?.token',
    test: UNIT,
    title: 'safe: a result that is not stored ends the entry and the mark',
  },
  {
    guard: 'safe-put-in-a-transaction-is-marked',
    replace: 'return this.invalidateAround({ ...around, safe, work, onUnavailable, method });',
    test: UNIT,
    title: 'safe in a transaction: the mark stands until the commit, and the key is invalidated',
  },
  {
    guard: 'refresh-without-a-value-ends-the-kept-one',
    test: MODE,
    title: 'refresh: a value that is not stored leaves no older one behind',
  },
];
