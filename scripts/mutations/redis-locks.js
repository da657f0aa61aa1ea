/** The guards of locks in Redis: see entries.js. */

const ACQUIRE = 'src/adapters/ioredis/locks/acquire-scripts.ts';
const HELD = 'src/adapters/ioredis/locks/held-scripts.ts';
const LUA = 'src/adapters/ioredis/locks/lock-lua.ts';
const VOTER = 'src/adapters/ioredis/locks/lock-voter.ts';
const STORE = 'src/adapters/ioredis/locks/lock-store.ts';
const OUTCOMES = 'src/adapters/ioredis/locks/lock-outcomes.ts';
const LOCKS_TEST = 'test/adapters/ioredis-locks.test.ts';
const PARTS_TEST = 'test/adapters/ioredis-lock-parts.test.ts';
const SERVERS_TEST = 'test/locks/lock-servers.test.ts';
const ROWS_TEST = 'test/locks/rows.test.ts';
const CONTRACT = 'test/contract/ioredis.test.ts';

export const redisLocksMutations = [
  // --- whose lock it is -----------------------------------------------------------------------------------------------
  {
    guard: 'only its owner releases a lock',
    file: HELD,
    where: 'releaseScript',
    search: "if kind == 'one' and is_held_by(found, ARGV[1]) then\n    count",
    replace: "if kind == 'one' then\n    count",
    test: LOCKS_TEST,
    title: 'release with another’s token is refused, and changes nothing',
  },
  {
    guard: 'only its owner extends a lock',
    file: HELD,
    where: 'extendScript',
    search: "if kind == 'one' and not is_held_by(found, ARGV[1]) then return 0 end",
    replace: '',
    test: LOCKS_TEST,
    title: 'extending with another’s token is refused, and changes nothing',
  },
  {
    guard: 'a reader whose lease has ended has none',
    file: HELD,
    where: 'extendScript',
    search: "tonumber(redis.call('ZSCORE', KEYS[i], ARGV[1]) or 0) <= now()",
    replace: "not redis.call('ZSCORE', KEYS[i], ARGV[1])",
    test: CONTRACT,
    title: 'one Redis: a reader whose lease has ended can neither extend nor release the others’',
  },
  {
    guard: 'a request that comes again is granted as the first time',
    file: ACQUIRE,
    where: 'acquireAlone',
    search: "  if kind == 'one' and is_held_by(found, ARGV[1]) then\n    mine[i] = true\n  elseif",
    replace: '  if',
    test: LOCKS_TEST,
    title: 'a request whose reply was lost may come again, and is granted as the first time',
  },
  {
    guard: 'what is not ours is left alone',
    file: LUA,
    where: 'standing',
    search:
      "if #found == LENGTH and string.sub(found, 1, 1) == 'L' then return 'one', found end\n    return 'foreign'",
    replace: "return 'one', found",
    test: LOCKS_TEST,
    title: 'what is not ours at the name of a lock is left alone, and the lock is held',
  },
  // --- fencing --------------------------------------------------------------------------------------------------------
  {
    guard: 'a fencing token is never behind the clock',
    file: ACQUIRE,
    where: 'acquireAlone',
    search: '(tonumber(kept[1] or 0) or 0) + 1, micros())',
    replace: '(tonumber(kept[1] or 0) or 0) + 1)',
    test: LOCKS_TEST,
    title: 'fencing tokens grow over the loss of all data',
  },
  {
    guard: 'a fencing token is larger than the one before',
    file: ACQUIRE,
    where: 'acquireAlone',
    search: '(tonumber(kept[1] or 0) or 0) + 1, micros())',
    replace: 'micros())',
    test: LOCKS_TEST,
    title: 'fencing tokens grow from what stands there, however far ahead of the clock',
  },
  {
    guard: 'every slot knows the fencing token of all',
    file: VOTER,
    where: 'LockVoter.#takeBySlot',
    search: 'token === largest ? undefined : await take(group)',
    replace: 'undefined',
    also: [{ search: 'for (const [group, token] of taken) {', replace: 'for (const _ of taken) {' }],
    test: LOCKS_TEST,
    title: 'in a Cluster several keys are got slot after slot, with one token, or given back',
  },
  // --- who comes first ------------------------------------------------------------------------------------------------
  {
    guard: 'a waiting writer keeps new readers out',
    file: ACQUIRE,
    where: 'acquireShared',
    search: 'if wished > 0 then',
    replace: 'if wished > 1e15 then',
    test: CONTRACT,
    title: 'one Redis: a waiting writer comes before new readers, until he gives up',
  },
  {
    guard: 'only the head of the queue is granted a fair lock',
    file: LUA,
    where: 'line_up',
    search: 'if head ~= nil and head ~= ticket then return left end',
    replace: '',
    test: CONTRACT,
    title: 'one Redis: who leaves the queue makes room for the next',
  },
  // --- votes ----------------------------------------------------------------------------------------------------------
  {
    guard: 'what was granted by too few is given back',
    file: VOTER,
    where: 'LockVoter.#release',
    search: '} else if (mayStand(ballot.votes[this.#place])) {',
    replace: '} else if (ballot.won) {',
    test: SERVERS_TEST,
    title: 'with two of three that is killed no lock is got, and what one granted is given back',
  },
  {
    guard: 'what was not answered is given back',
    file: 'src/adapters/ioredis/locks/ballot.ts',
    where: 'mayStand',
    search: "vote.outcome === 'unknown'",
    replace: 'false',
    test: SERVERS_TEST,
    title: 'what a silent server does after all is undone when it speaks again',
  },
  {
    guard: 'a release that could not be told is told later',
    file: VOTER,
    where: 'LockVoter.#tell',
    search: 'this.#giveBacks.add(() => release(), ballot.until);',
    replace: '',
    test: SERVERS_TEST,
    title: 'a release that cannot be told is told later',
  },
  {
    guard: 'whether a lock is lost is not decided by the time of day',
    file: STORE,
    where: 'RedisLockStore.#grant',
    search: 'lock.expiration = Number.MAX_SAFE_INTEGER;',
    replace: '',
    test: CONTRACT,
    title: 'three independent Redis: a lease is extended, also to a nearer end',
  },
  {
    guard: 'only a majority that refuses says held',
    file: OUTCOMES,
    where: 'refusal',
    search: 'if (waits.length < needed) {',
    replace: 'if (waits.length < 1) {',
    test: ROWS_TEST,
    title: '(a) an even number of lock servers is refused, and a split vote ends',
  },
  {
    guard: 'an even number of lock servers is refused',
    file: 'src/adapters/ioredis/locks/lock-targets.ts',
    where: 'resolveLockServers',
    search: 'given.length % 2 === 0 || given.length < 3',
    replace: 'given.length < 2',
    test: ROWS_TEST,
    title: '(a) an even number of lock servers is refused, and a split vote ends',
  },
  {
    guard: 'whoever waits is woken when a majority has heard of the release',
    file: 'src/adapters/ioredis/locks/majority-wakes.ts',
    where: 'MajorityWakes.heard',
    search: 'if (releases <= heard.passed) return;',
    replace: '',
    test: PARTS_TEST,
    title: 'a release that several servers tell of wakes once, when a majority has',
  },
];
