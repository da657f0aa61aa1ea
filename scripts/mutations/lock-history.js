/**
 * The guards that the lock-protected counter watches: those of the locks, in several processes that are killed and
 * paused, and those of the resource and of the checker. See entries.js for the shape.
 */

const ACQUIRE = 'src/adapters/ioredis/locks/acquire-scripts.ts';
const LEASE = 'src/core/locks/held-lease.ts';
const RESOURCE = 'test/lock-history/fenced-counter.ts';
const CHECKER = 'test/lock-history/check-lock-history.ts';
const TEST = 'test/lock-history/lock-history.test.ts';

const FENCED =
  'lock history: with the token checked by the resource no update is lost, though workers are killed and paused beyond their lease';
const ALONE =
  'lock history: no two bodies overlap while workers are killed, and paused for less than their lease';
const RULES = 'lock history: the checker counts lost updates, overlaps and what a kill left unsaid';

export const lockHistoryMutations = [
  {
    guard: 'several processes: a lock that is held is granted to nobody else',
    file: ACQUIRE,
    where: 'acquireAlone',
    search: "'PX', lease, 'NX') then",
    replace: "'PX', lease) then",
    test: TEST,
    title: ALONE,
  },
  {
    guard: 'several processes: a lock lasts as long as its lease',
    file: ACQUIRE,
    where: 'encodeAcquire',
    search: '      owner,\n      whole(leaseMs),',
    replace: '      owner,\n      whole(leaseMs / 1_000),',
    test: TEST,
    title: ALONE,
  },
  {
    guard: 'several processes: the fencing token grows with every lease',
    file: ACQUIRE,
    where: 'decodeAcquire',
    search: "token: token === '' ? undefined : BigInt(token)",
    replace: "token: token === '' ? undefined : 1n",
    test: TEST,
    title: FENCED,
  },
  {
    guard: 'several processes: who was paused beyond its lease can know it',
    file: LEASE,
    where: 'HeldLease',
    search: 'this.#deadline = since + validity(leaseMs);',
    replace: 'this.#deadline = since + 100 * validity(leaseMs);',
    test: TEST,
    title: FENCED,
  },
  {
    guard: 'the resource: a smaller token may not write',
    file: RESOURCE,
    where: 'FencedCounter.write',
    search: "this.#fence === 'none' ? '0' : '1'",
    replace: "this.#fence === 'none' ? '0' : '0'",
    test: TEST,
    title: FENCED,
  },
  {
    guard: 'the resource: a read shows the token too',
    file: RESOURCE,
    where: 'FencedCounter.read',
    search: "this.#fence === 'reads and writes' ? '1' : '0'",
    replace: "this.#fence === 'reads and writes' ? '0' : '0'",
    test: TEST,
    title:
      'lock history: an old holder that writes between the read and the write of the new one is refused (fence: reads and writes)',
  },
  {
    guard: 'the checker: an overlap is one of two at the same time',
    file: CHECKER,
    where: 'overlapsOf',
    search: 'running.filter(({ end }) => end > body.begin)',
    replace: 'running.filter(({ end }) => end < body.begin)',
    test: TEST,
    title: RULES,
  },
  {
    guard: 'the checker: what is acknowledged is in the log once',
    file: CHECKER,
    where: 'checkLockHistory',
    search: 'if (written.get(attempt) !== 1) {',
    replace: 'if (written.get(attempt) === 2) {',
    test: TEST,
    title: RULES,
  },
  {
    guard: 'the checker: only a kill leaves a write unsaid',
    file: CHECKER,
    where: 'checkLockHistory',
    search: 'if (killed.has(workerOf(attempt))) unknown += 1;',
    replace: 'if (written.has(attempt)) unknown += 1;',
    test: TEST,
    title: RULES,
  },
];
