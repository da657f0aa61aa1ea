/** The guards of sliding expiry (`idleTtl`). See cache.js for the format. */
const UNIT = 'test/cache/idle-touches.test.ts';
const MEMORY = 'test/contract/memory.test.ts';
const REDIS = 'test/contract/ioredis.test.ts';

export const idleMutations = [
  {
    guard: 'touch-is-of-one-value-memory',
    replace: ' || tokenOf(record!) !== token',
    test: MEMORY,
    on: 'memory',
    title: 'a touch of another value, such as a late one, does not let * live on',
  },
  {
    guard: 'touch-is-of-one-value-memory',
    replace: ' || tokenOf(record!) !== token',
    test: UNIT,
    title: 'idleTtl: a touch that arrives late does not let a newer value live on',
  },
  {
    guard: 'touch-is-of-one-value-lua',
    replace: ' or token_of(found) ~= ARGV[1]',
    test: REDIS,
    on: 'one Redis',
    title: 'a touch of another value, such as a late one, does not let * live on',
  },
  {
    guard: 'touch-ends-with-the-ttl-memory',
    replace: 'Math.min(idleTtl, Math.floor(endsAt) - Math.floor(this.#clock.now()))',
    by: 'idleTtl + 0 * endsAt',
    test: UNIT,
    title: 'G6 age: a value that is read lives on, until its ttl ends',
  },
  {
    guard: 'touch-ends-with-the-ttl-memory',
    replace: 'Math.min(idleTtl, Math.floor(endsAt) - Math.floor(this.#clock.now()))',
    by: 'idleTtl + 0 * endsAt',
    test: MEMORY,
    on: 'memory',
    title: 'G6 age: * ends with its ttl, however often it is touched',
  },
  {
    guard: 'touch-ends-with-the-ttl-lua',
    replace: ", math.floor(struct.unpack('>d', found, end_at)) - now()",
    test: REDIS,
    on: 'one Redis',
    title: 'G6 age: * ends with its ttl, however often it is touched',
  },
  {
    guard: 'touch-shortens-no-life-memory',
    replace: 'remainingMs > this.#records.getRemainingTTL(key)',
    by: 'true',
    test: MEMORY,
    on: 'memory',
    title: 'a touch does not shorten the life of a value that is kept for its lease',
  },
  {
    guard: 'touch-shortens-no-life-lua',
    replace: "remaining > redis.call('PTTL', KEYS[1])",
    by: 'true',
    test: REDIS,
    on: 'one Redis',
    title: 'a touch does not shorten the life of a value that is kept for its lease',
  },
  {
    guard: 'stored-value-ends-if-it-is-not-read',
    replace: 'policy.idleTtl ?? Infinity',
    by: 'Infinity',
    test: UNIT,
    title: 'idleTtl: a value that nobody reads is gone',
  },
  {
    guard: 'entry-is-touched-once-a-quarter',
    test: UNIT,
    title:
      'idleTtl: a process touches an entry once in a quarter of it, and the entry lives for three quarters more',
  },
  {
    guard: 'looking-is-not-reading',
    replace: 'requested === undefined ? Infinity : ',
    test: UNIT,
    title: 'idleTtl: peek and explain of a handle show it, and are no reads',
  },
  {
    guard: 'stale-value-that-is-read-is-touched',
    test: UNIT,
    title: 'idleTtl: a stale value that is read lives on, until its grace ends',
  },
  {
    guard: 'loaded-value-leaves-the-l1-to-be-touched',
    replace: ', touchAt',
    test: UNIT,
    title: 'idleTtl: a value leaves the memory within a quarter of it, loaded or read',
  },
  {
    guard: 'read-value-leaves-the-l1-to-be-touched',
    replace: '      touchAt,\n',
    test: UNIT,
    title: 'idleTtl: a value leaves the memory within a quarter of it, loaded or read',
  },
  {
    guard: 'idle-ttl-is-within-the-ttl',
    test: UNIT,
    title: 'idleTtl: it is at most the ttl',
  },
  {
    guard: 'class-may-have-a-longer-idle-ttl',
    test: UNIT,
    title: 'idleTtl: a class sets it for its methods',
  },
];
