/** The guards of locks, in the shape of cache.js. */
export const locksMutations = [
  // --- how long a lease is valid ---------------------------------------------------------------------------------------
  {
    guard: 'late-grant-is-no-lock',
    replace: ' && afterMs < leaseValidity(request.leaseMs)',
    test: 'test/core/held-lease.test.ts',
    title: 'row c: a grant whose lease had ended when it came is no lock: it is given back, and tried again',
  },
  {
    guard: 'late-grant-is-released-before-the-next-attempt',
    replace: 'await',
    by: 'void',
    test: 'test/core/held-lease.test.ts',
    title: 'row f: what an attempt got in vain is given back before the next attempt, which it would block',
  },
  {
    guard: 'clock-drift-shortens-a-lease',
    replace: ' - leaseMs / 100 - 2',
    test: 'test/core/held-lease.test.ts',
    title:
      'a lease is good for its length less what clocks may disagree about, counted from when it was asked for',
  },
  {
    guard: 'lease-ends-by-a-local-timer',
    test: 'test/core/held-lease.test.ts',
    title: 'row e: while the servers answer nothing the lease ends at its end',
  },
  {
    guard: 'access-compares-with-the-clock',
    test: 'test/core/held-lease.test.ts',
    title: 'row g: after a pause longer than the lease assertHeld says so, though no timer has run',
  },
  {
    guard: 'renewal-counts-from-its-request',
    replace: '= deadline',
    by: '= clock.now() + leaseValidity(ms)',
    test: 'test/core/held-lease.test.ts',
    title: 'a renewal counts from when it was asked for, and only once it is confirmed',
  },
  {
    guard: 'lost-lease-stays-lost',
    replace: 'if (this.#isOver) return',
    by: 'this.#lost = undefined',
    test: 'test/core/held-lease.test.ts',
    title: 'a lease that is lost is not taken back by a late confirmation',
  },
  {
    guard: 'renewals-end',
    replace: 'Math.min(leaseMs, askedAt + renewMs - renewedAt)',
    by: 'leaseMs',
    test: 'test/core/held-lease.test.ts',
    title:
      'renewals end when `renew` has passed since the grant, and the last one is as long as what is left',
  },
  {
    guard: 'lease-that-ended-is-not-entered-again',
    replace: 'if (lease.remainingMs > 0) ',
    test: 'test/core/locks.test.ts',
    title: 'what a body leaves running takes the lock itself once the lease was given back',
  },
  // --- waiting ---------------------------------------------------------------------------------------------------------
  {
    guard: 'grant-after-an-abort-is-released',
    replace: '!this.#isSettled && ',
    test: 'test/core/lock-waits.test.ts',
    title: 'a grant that comes after the abort is given back',
  },
  {
    guard: 'early-wake-is-not-lost',
    test: 'test/core/lock-waits.test.ts',
    title: 'a message that comes while the store is asked is not lost',
  },
  {
    guard: 'ended-wait-leaves-nothing-in-the-store',
    test: 'test/core/lock-waits.test.ts',
    title: 'a writer that gives up lets the readers in that it kept out',
  },
  {
    guard: 'one-caller-of-a-process-asks',
    replace: 'this.#entries.length < concurrency',
    by: 'true',
    test: 'test/core/lock-waits.test.ts',
    title: 'of 50 callers of a process one asks the store',
  },
  {
    guard: 'leaving-caller-promotes-the-next',
    replace: 'else if (entry.isFirst) this.#entries.find(({ isFirst }) => !isFirst)?.promote(acquired);',
    test: 'test/core/lock-waits.test.ts',
    title: 'the first of the queue may give up, and the next one asks at once',
  },
  {
    guard: 'release-wakes-its-own-process',
    test: 'test/core/lock-waits.test.ts',
    title: 'the next caller of the process tries at once when the lock is given back, without a message',
  },
  // --- the embedded adapter --------------------------------------------------------------------------------------------
  {
    guard: 'holders-have-equal-permits-memory',
    test: 'test/core/lock-waits.test.ts',
    title: 'shared locks are held together, and an exclusive one alone',
  },
  {
    guard: 'extend-by-owner-only-memory',
    replace: '!holdings.every((holding) => holding?.ends.has(owner))',
    by: 'holdings.includes(undefined)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'giving back twice changes nothing',
  },
  {
    guard: 'waiting-writer-keeps-readers-out-memory',
    replace: 'Math.max(0, (this.#pendingWriters.get(key)?.until ?? now) - now)',
    by: '0',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'a waiting writer comes before new readers, until he gives up',
  },
  {
    guard: 'head-of-the-queue-first-memory',
    replace: 'head === undefined || head === ticket',
    by: 'head === undefined || ticketMs > 0',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'a fair lock is granted in the order of the tickets',
  },
  // --- locks of loads --------------------------------------------------------------------------------------------------
  {
    guard: 'load-goes-on-without-lock-servers',
    test: 'test/core/stampede-lock.test.ts',
    title: 'lock servers that are away hinder no load: it goes on with its lease at once, and says so',
  },
  // --- one server: the scripts -----------------------------------------------------------------------------------------
  {
    guard: 'release-by-owner-only-lua',
    replace: ' and is_held_by(found, ARGV[1])',
    test: 'test/adapters/ioredis-locks.test.ts',
    title: 'release with another’s token is refused, and changes nothing',
  },
  {
    guard: 'extend-by-owner-only-lua',
    test: 'test/adapters/ioredis-locks.test.ts',
    title: 'extending with another’s token is refused, and changes nothing',
  },
  {
    guard: 'ended-reader-holds-nothing-lua',
    replace: "tonumber(redis.call('ZSCORE', KEYS[i], ARGV[1]) or 0) <= now()",
    by: "not redis.call('ZSCORE', KEYS[i], ARGV[1])",
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a reader whose lease has ended can neither extend nor release the others’',
  },
  {
    guard: 'repeated-request-is-granted-again-lua',
    replace: "kind == 'exclusive' and is_held_by(found, ARGV[1])",
    by: 'false',
    test: 'test/adapters/ioredis-locks.test.ts',
    title: 'a request whose reply was lost may come again, and is granted as the first time',
  },
  {
    guard: 'foreign-value-is-left-alone-lua',
    replace: "#found == LENGTH and string.sub(found, 1, 1) == 'L'",
    by: 'true',
    test: 'test/adapters/ioredis-locks.test.ts',
    title: 'what is not ours at the name of a lock is left alone, and the lock is held',
  },
  {
    guard: 'fence-is-not-behind-the-clock-lua',
    replace: ', micros())',
    by: ')',
    test: 'test/adapters/ioredis-locks.test.ts',
    title: 'fencing tokens grow over the loss of all data',
  },
  {
    guard: 'fence-is-larger-than-the-last-lua',
    replace: '(tonumber(kept[1] or 0) or 0) + 1, ',
    test: 'test/adapters/ioredis-locks.test.ts',
    title: 'fencing tokens grow from what stands there, however far ahead of the clock',
  },
  {
    guard: 'waiting-writer-keeps-readers-out-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a waiting writer comes before new readers, until he gives up',
  },
  {
    guard: 'head-of-the-queue-first-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'a fair lock is granted in the order of the tickets',
  },
  {
    guard: 'every-slot-has-the-largest-fence',
    test: 'test/adapters/ioredis-locks.test.ts',
    title: 'in a Cluster several keys are got slot after slot, with one token, or given back',
  },
  // --- several servers -------------------------------------------------------------------------------------------------
  {
    guard: 'granted-by-too-few-is-released',
    replace: 'this.#server.cleanUp(request, owner, reply, until);',
    by: '{}',
    test: 'test/locks/lock-servers.test.ts',
    title: 'with two of three that * no lock is got, and what one granted is given back',
  },
  {
    guard: 'unanswered-request-is-released',
    replace: "reply.outcome === 'unknown'",
    by: 'false',
    test: 'test/locks/lock-servers.test.ts',
    title: 'what a silent server does after all is undone when it speaks again',
  },
  {
    guard: 'failed-release-is-retried',
    test: 'test/locks/lock-servers.test.ts',
    title: 'a release that cannot be told is told later',
  },
  {
    guard: 'time-of-day-loses-no-lock',
    test: 'test/contract/ioredis.test.ts',
    on: 'three independent Redis',
    title: 'a lease is extended, also to a nearer end',
  },
  {
    guard: 'majority-decides-that-it-is-held',
    replace: 'times.length < needed',
    by: 'times.length < 1',
    test: 'test/locks/rows.test.ts',
    title: '(a) an even number of lock servers is refused, and a split vote ends',
  },
];
