/** The guards of locks, in the shape of cache.js. */
export const locksMutations = [
  // --- how long a lease is valid ---------------------------------------------------------------------------------------
  {
    guard: 'late-grant-is-no-lock',
    replace: ' && afterMs < leaseValidity(request.leaseMs)',
    test: 'test/locks/lock-acquisition.test.ts',
    title: 'G8 locks: row c, E-K2: a grant that arrives after the end of its lease is released and retried',
  },
  {
    guard: 'late-grant-is-released-before-the-next-attempt',
    replace: 'await',
    by: 'void',
    test: 'test/locks/lock-acquisition.test.ts',
    title: 'G8 locks: row f: a failed attempt is released before the next attempt, which it would block',
  },
  {
    guard: 'clock-drift-shortens-a-lease',
    replace: ' - leaseMs / 100 - 2',
    test: 'test/locks/held-lease.test.ts',
    title: 'G8 locks: a lease is valid for its length minus the clock drift, counted from its request',
  },
  {
    guard: 'lease-ends-by-a-local-timer',
    test: 'test/locks/held-lease.test.ts',
    title: 'G8 locks: row e: while the servers do not answer, the lease is lost at its end',
  },
  {
    guard: 'access-compares-with-the-clock',
    test: 'test/locks/held-lease.test.ts',
    title:
      'G8 locks: row g: after a pause longer than the lease assertHeld throws, although no timer has run',
  },
  {
    guard: 'renewal-counts-from-its-request',
    replace: '= deadline',
    by: '= clock.now() + leaseValidity(ms)',
    test: 'test/locks/held-lease.test.ts',
    title: 'G8 locks: a renewal counts from its request, and only once it is confirmed',
  },
  {
    guard: 'lost-lease-stays-lost',
    replace: 'if (this.#isOver) return',
    by: 'this.#lost = undefined',
    test: 'test/locks/held-lease.test.ts',
    title: 'G8 locks: a late confirmation does not revive a lost lease',
  },
  {
    guard: 'renewals-end',
    replace: 'Math.min(leaseMs, requestedAt + renewMs - renewedAt)',
    by: 'leaseMs',
    test: 'test/locks/held-lease.test.ts',
    title: 'renewals stop after `renew`, and the last one covers what is left of it',
  },
  {
    guard: 'lease-that-ended-is-not-entered-again',
    replace: 'if (lease.remainingMs > 0) ',
    test: 'test/locks/current-lease.test.ts',
    title: 'work that outlives its lease acquires the lock on its own',
  },
  // --- waiting ---------------------------------------------------------------------------------------------------------
  {
    guard: 'grant-after-an-abort-is-released',
    replace: '!this.#isSettled && ',
    test: 'test/locks/lock-acquisition.test.ts',
    title: 'a grant that arrives after the abort is released',
  },
  {
    guard: 'early-wake-is-not-lost',
    test: 'test/locks/lock-acquisition.test.ts',
    title: 'a message that arrives during a request is not lost',
  },
  {
    guard: 'ended-wait-leaves-nothing-in-the-store',
    test: 'test/locks/lock-acquisition.test.ts',
    title: 'read-write lock: a writer that gives up admits the readers that waited for it',
  },
  {
    guard: 'one-caller-of-a-process-asks',
    replace: 'this.#entries.length < concurrency',
    by: 'true',
    test: 'test/locks/process-queue.test.ts',
    title: 'of 50 waiting callers in a process one sends requests',
  },
  {
    guard: 'leaving-caller-promotes-the-next',
    replace: 'else if (entry.isFirst) this.#entries.find(({ isFirst }) => !isFirst)?.promote(acquired);',
    test: 'test/locks/process-queue.test.ts',
    title: 'when the first caller of the queue gives up, the next one tries at once',
  },
  {
    guard: 'release-wakes-its-own-process',
    test: 'test/locks/process-queue.test.ts',
    title: 'a release lets the next caller of the process try at once, without a message',
  },
  // --- the embedded adapter --------------------------------------------------------------------------------------------
  {
    guard: 'holders-have-equal-permits-memory',
    test: 'test/locks/lock-acquisition.test.ts',
    title: 'read-write lock: shared locks are held together, an exclusive one alone',
  },
  {
    guard: 'extend-by-owner-only-memory',
    replace: '!holdings.every((holding) => holding?.leaseEnds.has(owner))',
    by: 'holdings.includes(undefined)',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'releasing twice has no effect',
  },
  {
    guard: 'waiting-writer-keeps-readers-out-memory',
    replace: 'Math.max(0, (this.#pendingWriters.get(key)?.until ?? now) - now)',
    by: '0',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'read-write lock: a waiting writer precedes new readers until it gives up',
  },
  {
    guard: 'head-of-the-queue-first-memory',
    replace: 'head === undefined || head === ticket',
    by: 'head === undefined || ticketMs > 0',
    test: 'test/contract/memory.test.ts',
    on: 'memory',
    title: 'fair lock: granted in the order of the tickets',
  },
  // --- locks of loads --------------------------------------------------------------------------------------------------
  {
    guard: 'load-goes-on-without-lock-servers',
    test: 'test/cache/load-lock.test.ts',
    title:
      'G10 bounded delay: with unavailable lock servers a load continues with its lease at once and publishes an error event',
  },
  // --- one server: the scripts -----------------------------------------------------------------------------------------
  {
    guard: 'release-by-owner-only-lua',
    replace: ' and is_held_by(found, owner)',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'G8 locks: release with the token of another is refused and changes nothing',
  },
  {
    guard: 'extend-by-owner-only-lua',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'G8 locks: extend with the token of another is refused and changes nothing',
  },
  {
    guard: 'ended-reader-holds-nothing-lua',
    replace: "tonumber(redis.call('ZSCORE', KEYS[i], ARGV[1]) or 0) <= now()",
    by: "not redis.call('ZSCORE', KEYS[i], ARGV[1])",
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title:
      'read-write lock: a reader whose lease has ended can neither extend nor release the lease of others',
  },
  {
    guard: 'repeated-request-is-granted-again-lua',
    replace: "kind == 'exclusive' and is_held_by(found, owner)",
    by: 'false',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'a request whose reply was lost is granted again when repeated',
  },
  {
    guard: 'foreign-value-is-left-alone-lua',
    replace: "#found == LENGTH and string.sub(found, 1, 1) == 'L'",
    by: 'true',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'a foreign value at the key of a lock is left alone, and the lock counts as held',
  },
  {
    guard: 'fence-is-not-behind-the-clock-lua',
    replace: ', micros())',
    by: ')',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'G8 locks: fencing tokens grow even after the loss of all data',
  },
  {
    guard: 'fence-is-larger-than-the-last-lua',
    replace: '(tonumber(kept[1] or 0) or 0) + 1, ',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'G8 locks: fencing tokens grow from the stored one, however far ahead of the clock',
  },
  {
    guard: 'waiting-writer-keeps-readers-out-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'read-write lock: a waiting writer precedes new readers until it gives up',
  },
  {
    guard: 'head-of-the-queue-first-lua',
    test: 'test/contract/ioredis.test.ts',
    on: 'one Redis',
    title: 'fair lock: granted in the order of the tickets',
  },
  {
    guard: 'operation-that-fails-alone-lua',
    replace: 'pcall(operation, ',
    by: 'true, operation(',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'an operation that fails changes nothing about the others of its script',
  },
  {
    guard: 'replica-refuses-the-whole-script-lua',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'a replica refuses the whole script, and a new connection looks for the master',
  },
  {
    guard: 'script-has-requests-of-one-slot',
    replace: 'slotOf === undefined',
    by: 'slotOf !== null',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'CROSSSLOT: in a Cluster the locks of one tick are acquired and released slot by slot',
  },
  {
    guard: 'every-slot-has-the-largest-fence',
    test: 'test/adapters/ioredis/locks/lock-store.test.ts',
    title: 'CROSSSLOT: in a Cluster several keys are acquired slot by slot with one token, or released',
  },
  // --- several servers -------------------------------------------------------------------------------------------------
  {
    guard: 'granted-by-too-few-is-released',
    replace: 'this.#server.cleanUp(request, owner, reply, until);',
    by: '{}',
    test: 'test/adapters/ioredis/locks/lock-servers.test.ts',
    title: 'G8 locks: with two of three servers that *, no lock is acquired, and the granted one is released',
  },
  {
    guard: 'unanswered-request-is-released',
    replace: "reply.outcome === 'unknown'",
    by: 'false',
    test: 'test/adapters/ioredis/locks/lock-servers.test.ts',
    title: 'a late grant of a silent server is released when it answers again',
  },
  {
    guard: 'failed-release-is-retried',
    test: 'test/adapters/ioredis/locks/lock-servers.test.ts',
    title: 'a release that cannot be sent is sent later',
  },
  {
    guard: 'time-of-day-loses-no-lock',
    test: 'test/contract/ioredis.test.ts',
    on: 'three independent Redis',
    title: 'a lease is extended, also to an earlier end',
  },
  {
    guard: 'majority-decides-that-it-is-held',
    replace: 'times.length < needed',
    by: 'times.length < 1',
    test: 'test/adapters/ioredis/locks/redlock-defects.test.ts',
    title: 'row a, E-K1: an even number of lock servers is refused, and a split quorum ends',
  },
];
