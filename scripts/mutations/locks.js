/** The guards of locks, but for those of the lock servers. */

const LEASE = 'src/core/locks/held-lease.ts';
const WAIT = 'src/core/locks/lock-wait.ts';
const LEASES = 'src/core/locks/lock-leases.ts';
const QUEUES = 'src/core/locks/local-queues.ts';
const MEMORY = 'src/adapters/memory/memory-locks.ts';
const LEASE_TEST = 'test/core/held-lease.test.ts';
const WAIT_TEST = 'test/core/lock-waits.test.ts';
const LOCKS_TEST = 'test/core/locks.test.ts';
const STAMPEDE_TEST = 'test/core/stampede-lock.test.ts';
const MEMORY_CONTRACT = 'test/contract/memory.test.ts';

export const locksMutations = [
  // --- what a lease is good for ---------------------------------------------------------------------------------------
  {
    guard: 'a grant whose lease has ended is no lock',
    file: WAIT,
    where: 'LockWait.#attempt',
    search: '!this.#over && afterMs < validity(request.leaseMs)',
    replace: '!this.#over',
    test: LEASE_TEST,
    title: 'row c: a grant whose lease had ended when it came is no lock: it is given back, and tried again',
  },
  {
    guard: 'what an attempt got in vain is given back before the next one',
    file: WAIT,
    where: 'LockWait.#attempt',
    search: 'await this.#giveBack(grant);',
    replace: 'void this.#giveBack(grant);',
    test: LEASE_TEST,
    title: 'row f: what an attempt got in vain is given back before the next attempt, which it would block',
  },
  {
    guard: 'what clocks may disagree about is taken off a lease',
    file: 'src/core/locks/validity.ts',
    where: 'validity',
    search: 'return leaseMs - leaseMs / 100 - 2;',
    replace: 'return leaseMs;',
    test: LEASE_TEST,
    title:
      'a lease is good for its length less what clocks may disagree about, counted from when it was asked for',
  },
  {
    guard: 'a lease ends by a timer of this process',
    file: LEASE,
    where: 'HeldLease.#renew',
    search: 'this.#expiry ??= this.#expireAt(this.#deadline);',
    replace: '',
    test: LEASE_TEST,
    title: 'row e: while the servers answer nothing the lease ends at its end',
  },
  {
    guard: 'whoever asks is told what the clock says, whether a timer could run or not',
    file: LEASE,
    where: 'HeldLease.#look',
    search: "if (!this.#over && this.#in.clock.now() >= this.#deadline) this.#lose('expired');",
    replace: '',
    test: LEASE_TEST,
    title: 'row g: after a pause longer than the lease assertHeld says so, though no timer has run',
  },
  {
    guard: 'a renewal counts from when it was asked for',
    file: LEASE,
    where: 'HeldLease.#renew',
    search: 'this.#deadline = deadline;',
    replace: 'this.#deadline = clock.now() + validity(ms);',
    test: LEASE_TEST,
    title: 'a renewal counts from when it was asked for, and only once it is confirmed',
  },
  {
    guard: 'a lease that is lost stays lost',
    file: LEASE,
    where: 'HeldLease.#renew',
    search: 'const outcome = await this.#extend(grant, ms);\n    if (this.#over) return;',
    replace: 'const outcome = await this.#extend(grant, ms);\n    this.#lost = undefined;',
    test: LEASE_TEST,
    title: 'a lease that is lost is not taken back by a late confirmation',
  },
  {
    guard: 'renewals end',
    file: LEASE,
    where: 'HeldLease.#renew',
    search: 'Math.min(leaseMs, since + renewMs - asked)',
    replace: 'Math.min(leaseMs, renewMs * Infinity)',
    test: LEASE_TEST,
    title:
      'renewals end when `renew` has passed since the grant, and the last one is as long as what is left',
  },
  {
    guard: 'a release that fails is thrown at nobody',
    file: LEASE,
    where: 'HeldLease.#giveBack',
    search: "reporter.error('release', { key: keys[0], method }, error);",
    replace: 'throw error;',
    test: LOCKS_TEST,
    title: 'row h: the error of the work reaches the caller when the lock cannot be given back',
  },
  {
    guard: 'only a lease that is held now is entered again',
    file: 'src/core/locks/current-lease.ts',
    where: 'leaseAround',
    search: 'if (lease.remainingMs > 0) return lease;',
    replace: 'return lease;',
    test: LOCKS_TEST,
    title: 'what a body leaves running takes the lock itself once the lease was given back',
  },
  // --- waiting --------------------------------------------------------------------------------------------------------
  {
    guard: 'a grant that comes after the abort is nobody’s',
    file: WAIT,
    where: 'LockWait.#attempt',
    search: '!this.#over && afterMs < validity(request.leaseMs)',
    replace: 'afterMs < validity(request.leaseMs)',
    test: WAIT_TEST,
    title: 'a grant that comes after the abort is given back',
  },
  {
    guard: 'a message counts from before the store is asked',
    file: WAIT,
    where: 'LockWait.#pause',
    search: 'if (this.#nudged) return true;',
    replace: '',
    test: WAIT_TEST,
    title: 'a message that comes while the store is asked is not lost',
  },
  {
    guard: 'a poll comes no later than the end of the other’s lease',
    file: WAIT,
    where: 'LockWait.#ask',
    search: "if (answer.status === 'held') pause = Math.min(pause, answer.forMs + 1);",
    replace: '',
    test: WAIT_TEST,
    title: 'a poll comes no later than the end of the other’s lease',
  },
  {
    guard: 'who leaves takes back what it left in the store',
    file: WAIT,
    where: 'LockWait.#ask',
    search: '    await this.#abandon();\n',
    replace: '',
    test: WAIT_TEST,
    title: 'a writer that gives up lets the readers in that it kept out',
  },
  {
    guard: 'of a process only the first asks',
    file: QUEUES,
    where: 'Queue.enter',
    search: 'this.#places.length < askers',
    replace: 'askers > 0',
    test: WAIT_TEST,
    title: 'of 50 callers of a process one asks the store',
  },
  {
    guard: 'who leaves the queue of the process lets the next one come up',
    file: QUEUES,
    where: 'Queue.leave',
    search: 'else if (place.first) this.#places.find(({ first }) => !first)?.comeUp(taken);',
    replace: '',
    test: WAIT_TEST,
    title: 'the first of the queue may give up, and the next one asks at once',
  },
  {
    guard: 'a release wakes the next of the process',
    file: LEASES,
    where: 'LockLeases.#hold',
    search: 'for (const name of names) waiters.wake(name);',
    replace: '',
    test: WAIT_TEST,
    title: 'the next caller of the process tries at once when the lock is given back, without a message',
  },
  {
    guard: 'close waits for what may still be granted',
    file: LEASES,
    where: 'LockLeases.close',
    search: '...waits.map(({ ended }) => ended),',
    replace: '',
    test: LOCKS_TEST,
    title: 'close waits for what is under way, and gives back what is still granted',
  },
  // --- memory ---------------------------------------------------------------------------------------------------------
  {
    guard: 'holders of a key all have the same permits (memory)',
    file: MEMORY,
    where: 'MemoryLocks.#roomIn',
    search: 'if (permits !== request.permits) return Math.max(...ends.values()) - now;',
    replace: '',
    test: WAIT_TEST,
    title: 'shared locks are held together, and an exclusive one alone',
  },
  {
    guard: 'a holder extends only what is still its own (memory)',
    file: MEMORY,
    where: 'MemoryLocks.#extend',
    search: "if (!holdings.every((holding) => holding?.ends.has(owner))) return 'lost';",
    replace: "if (holdings.includes(undefined)) return 'lost';",
    test: MEMORY_CONTRACT,
    title: 'memory: giving back twice changes nothing',
  },
  // --- loads ----------------------------------------------------------------------------------------------------------
  {
    guard: 'a load goes on without a lock that it cannot have',
    file: 'src/core/locks/load-locks.ts',
    where: 'LoadLocks.acquire',
    search: 'if (error instanceof LockUnavailableError) return { waited: 0, letGo() {} };',
    replace: '',
    test: STAMPEDE_TEST,
    title: 'lock servers that are away hinder no load: it goes on with its lease at once, and says so',
  },
  {
    guard: 'what was waited for a lock is not waited again',
    file: 'src/core/leases.ts',
    where: 'Leases.acquire',
    search: 'clock.now() + call.policy.wait - waited',
    replace: 'clock.now() + call.policy.wait',
    test: STAMPEDE_TEST,
    title: 'what was waited for a lock is not waited again for a lease',
  },
];
