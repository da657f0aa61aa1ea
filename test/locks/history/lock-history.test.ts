import test, { type ExecutionContext } from 'ava';
import { redisForFile } from '../../support/servers.js';
import { checkLockHistory, type EndedBody } from './check-lock-history.js';
import { FencedCounter, type Fence, type ResourceLine } from './fenced-counter.js';
import { runLockHistory, type LockHistoryOptions, type LockRun } from './run-lock-history.js';

/**
 * Longer by hand: LOCKS_INCREMENTS=20000 LOCKS_PROCESSES=8 npm test -- test/locks/history/lock-history.test.ts
 * LOCKS_SEED repeats the choices of a run, though not what the machine made of them.
 */
const INCREMENTS = Number(process.env['LOCKS_INCREMENTS'] ?? 600);
const PROCESSES = Number(process.env['LOCKS_PROCESSES'] ?? 3);
const SEED = Number(process.env['LOCKS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** A disturbance for so many increments, and at least three of each kind. */
const SOME = Math.max(3, Math.round(INCREMENTS / 500));

const resource = redisForFile(test);

async function run(
  t: ExecutionContext,
  what: string,
  options: Omit<LockHistoryOptions, 'processes' | 'seed'>,
): Promise<LockRun> {
  t.timeout(60_000 + INCREMENTS * 50);
  const made = await runLockHistory({ ...options, processes: PROCESSES, seed: SEED });
  t.log(
    `${what}: ${made.acknowledged} + ${made.unknown} increments in ${PROCESSES} processes, ${made.kills} kills, ` +
      `${made.pauses} pauses, ${made.overlaps} overlaps (${made.provenOverlaps.length} under proven leases), ` +
      `${made.refused} refused, ${made.lost} lost updates; ${(made.ms / 1_000).toFixed(1)} s, seed ${SEED}`,
  );
  t.deepEqual(made.contradictions, []);
  return made;
}

const LONG_PAUSES = { kills: SOME, longPauses: SOME, shortPauses: SOME, leaseMs: 300 };
const NO_LONG_PAUSE = { kills: SOME, longPauses: 0, shortPauses: SOME, leaseMs: 1_500 };

test.serial(
  'G8 locks: with the fencing token checked by the resource no update is lost, although workers are killed and paused beyond their lease',
  async (t) => {
    const made = await run(t, 'lock and fence', {
      increments: INCREMENTS,
      locked: true,
      fence: 'reads and writes',
      ...LONG_PAUSES,
    });
    t.is(made.lost, 0);
    t.is(made.value, made.acknowledged + made.unknown);
    t.true(made.acknowledged >= INCREMENTS && made.kills >= 3 && made.pauses >= 6);
    // What the fence is for did happen.
    t.true(made.overlaps > 0 && made.refused > 0);
    t.deepEqual(made.provenOverlaps, []);
  },
);

for (const fair of [false, true]) {
  test.serial(
    `G8 locks: no two bodies overlap while workers are killed, and paused for less than their lease${fair ? ' (fair)' : ''}`,
    async (t) => {
      const made = await run(t, `lock alone, no long pause${fair ? ', fair' : ''}`, {
        increments: INCREMENTS,
        locked: true,
        fence: 'none',
        fair,
        ...NO_LONG_PAUSE,
      });
      t.true(made.acknowledged >= INCREMENTS && made.kills >= 3 && made.pauses >= 3);
      t.is(made.overlaps, 0);
      t.is(made.lost, 0);
      t.is(made.value, made.acknowledged + made.unknown);
    },
  );
}

test.serial('without the fencing token a pause beyond the lease loses updates', async (t) => {
  const made = await run(t, 'lock, no fence', {
    increments: Math.min(INCREMENTS, 1_000),
    locked: true,
    fence: 'none',
    ...LONG_PAUSES,
    kills: 0,
    shortPauses: 0,
  });
  t.true(made.overlaps > 0 && made.lost > 0);
  // Whoever was paused could have known: its lease is not proven at the end.
  t.deepEqual(made.provenOverlaps, []);
});

test.serial('without the lock the same program loses updates', async (t) => {
  const made = await run(t, 'no lock', {
    increments: Math.min(INCREMENTS, 1_000),
    locked: false,
    fence: 'none',
    leaseMs: 300,
    kills: 0,
    longPauses: 0,
    shortPauses: 0,
  });
  t.true(made.overlaps > 0 && made.lost > 0);
});

for (const [fence, kept] of [
  ['none', false],
  ['writes', false],
  ['reads and writes', true],
] as const satisfies readonly (readonly [Fence, boolean])[]) {
  test.serial(
    `G8 locks: an old holder that writes between the read and the write of the new one ${kept ? 'is refused' : 'loses an update'} (fence: ${fence})`,
    async (t) => {
      const counter = new FencedCounter(resource().url, fence);
      t.teardown(() => counter.close());
      const before = await counter.value();
      const [first, second] = fence === 'none' ? [1n, 2n] : fence === 'writes' ? [3n, 4n] : [5n, 6n];
      const old = await counter.read('1.1', first, 0n);
      const fresh = await counter.read('2.1', second, 0n);
      const oldWrote = await counter.write('1.1', first, old! + 1);
      t.true(await counter.write('2.1', second, fresh! + 1));
      t.is(oldWrote, !kept);
      t.is(await counter.value(), before + 1);
    },
  );
}

test('the checker counts lost updates, overlaps and calls that a kill left without an outcome', (t) => {
  const line = (did: ResourceLine['did'], attempt: string, value: number, began = 0): ResourceLine => ({
    did,
    attempt,
    token: 1n,
    value,
    began: BigInt(began),
  });
  const end = (attempt: string, at: number, proven = true): EndedBody => ({
    attempt,
    end: BigInt(at),
    proven,
    acknowledged: true,
  });
  const judge = (
    value: number,
    log: readonly ResourceLine[],
    ended: readonly EndedBody[],
    killed: readonly (readonly [number, bigint])[] = [],
  ) => checkLockHistory({ value, log, ended, killed: new Map(killed) });

  const inTurn = [
    line('read', '1.1', 0, 10),
    line('wrote', '1.1', 1),
    line('read', '2.1', 1, 30),
    line('wrote', '2.1', 2),
  ];
  t.like(judge(2, inTurn, [end('1.1', 20), end('2.1', 40)]), { acknowledged: 2, lost: 0, overlaps: 0 });

  const atOnce = [
    line('read', '1.1', 0, 10),
    line('read', '2.1', 0, 20),
    line('wrote', '1.1', 1),
    line('wrote', '2.1', 1),
  ];
  const both = judge(1, atOnce, [end('1.1', 30), end('2.1', 40)]);
  t.like(both, { lost: 1, overlaps: 1 });
  t.deepEqual(both.provenOverlaps, [['1.1', '2.1']]);
  t.deepEqual(judge(1, atOnce, [end('1.1', 30, false), end('2.1', 40)]).provenOverlaps, []);

  const killed = judge(2, inTurn, [end('1.1', 20)], [[2, 35n]]);
  t.like(killed, { acknowledged: 1, unknown: 1, lost: 0, contradictions: [] });
  t.is(judge(2, inTurn, [end('1.1', 20)]).contradictions.length, 1);
  t.is(judge(1, inTurn.slice(0, 2), [end('1.1', 20), end('2.1', 40)]).contradictions.length, 1);
});
