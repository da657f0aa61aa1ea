import test from 'ava';
import { checkHistory, type HistoryEvent } from './check-history.js';
import { runHistory } from './run-history.js';

/** A longer run: HISTORY_SECONDS=60 npm test -- test/coherence/history/history.test.ts */
const SECONDS = Number(process.env['HISTORY_SECONDS'] ?? 6);

test.serial(
  'G1 no resurrection, G4 monotonic reads: no read in three processes returns an invalidated value, under random load',
  async (t) => {
    t.timeout((SECONDS + 60) * 1_000);
    const verdict = await runHistory({ ms: SECONDS * 1_000, processes: 3, keys: 6, fenced: true });
    t.log(
      `${SECONDS} s, 3 processes: ${verdict.reads} reads, ${verdict.invalidations} invalidations, ` +
        `${verdict.violations.length} violations`,
    );
    t.true(verdict.reads > 1_000 && verdict.invalidations > 100);
    t.deepEqual(verdict.violations, []);
  },
);

test.serial('the same run has violations without fenced fills', async (t) => {
  t.timeout(60_000);
  const verdict = await runHistory({ ms: 4_000, processes: 3, keys: 6, fenced: false });
  t.log(
    `4 s, 3 processes, unfenced: ${verdict.reads} reads, ${verdict.invalidations} invalidations, ` +
      `${verdict.violations.length} violations`,
  );
  t.true(verdict.violations.some(({ rule }) => rule === 'stale'));
});

test('the checker distinguishes stale, backwards and concurrent reads', (t) => {
  const read = (process: number, start: number, end: number, version: number): HistoryEvent => ({
    type: 'read',
    process,
    key: 'k',
    start: BigInt(start),
    end: BigInt(end),
    version,
  });
  const invalidated: HistoryEvent = {
    type: 'invalidation',
    process: 9,
    key: 'k',
    version: 2,
    acknowledged: 10n,
  };
  t.deepEqual(checkHistory([invalidated, read(0, 5, 20, 1)]).violations, []);
  t.is(checkHistory([invalidated, read(0, 11, 20, 1)]).violations[0]?.rule, 'stale');
  t.is(checkHistory([read(0, 0, 5, 3), read(0, 6, 7, 2)]).violations[0]?.rule, 'backwards');
  t.deepEqual(checkHistory([read(0, 0, 5, 3), read(1, 6, 7, 2)]).violations, []);
  t.deepEqual(checkHistory([read(0, 0, 5, 3), read(0, 4, 7, 2)]).violations, []);
});
