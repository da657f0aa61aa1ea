import test from 'ava';
import { HistoryChecker, type HistoryEvent, type Verdict } from './check-history.js';
import { runHistory } from './run-history.js';

/** A longer run: HISTORY_SECONDS=60 npm test -- test/coherence/history/history.test.ts */
const SECONDS = Number(process.env['HISTORY_SECONDS'] ?? 6);

test.serial(
  'G1 no resurrection, G4 monotonic reads: no read in three processes returns an invalidated value, under random load',
  async (t) => {
    t.timeout((SECONDS + 60) * 1_000);
    const result = await runHistory({ ms: SECONDS * 1_000, processes: 3, keys: 6 });
    t.log(
      `${SECONDS} s, 3 processes: ${result.reads} reads, ${result.invalidations} invalidations, ` +
        `${result.violations} violations`,
    );
    t.true(result.reads > 1_000 && result.invalidations > 100);
    t.deepEqual(result.examples, []);
    t.is(result.overlapping, 0);
    t.is(result.acknowledged, result.invalidations);
    t.deepEqual(result.uncaught, []);
  },
);

test.serial('the same run has violations without fenced fills', async (t) => {
  t.timeout(60_000);
  const result = await runHistory({ ms: 4_000, processes: 3, keys: 6, fenced: false });
  t.log(
    `4 s, 3 processes, unfenced: ${result.reads} reads, ${result.invalidations} invalidations, ` +
      `${result.violations} violations`,
  );
  t.true(result.examples.some(({ rule }) => rule === 'stale'));
});

for (const { coherence, promise } of [
  { coherence: 'bus', promise: 'G2 bounded staleness' },
  { coherence: 'tracking', promise: 'G2 bounded staleness' },
  { coherence: 'validate', promise: 'G1 no resurrection' },
] as const) {
  test.serial(
    `${promise}, G3 read your writes, G4 monotonic reads: three processes with an L1 (${coherence}), under random load and faults`,
    async (t) => {
      t.timeout((SECONDS + 60) * 1_000);
      const result = await runHistory({ ms: SECONDS * 1_000, processes: 3, keys: 48, coherence });
      const { reads, l1Hits, invalidations, acknowledged, staleReads, worstStaleMs, overlapping } = result;
      t.log(
        `${SECONDS} s, 3 processes, ${coherence}: ${reads} reads, ${Math.round((100 * l1Hits) / reads)} % from the L1, ` +
          `${invalidations} invalidations (${acknowledged} acknowledged), ${result.violations} violations; ` +
          `${staleReads} stale reads within the bound, the worst after ${worstStaleMs.toFixed(1)} ms; ` +
          `${overlapping} of overlapping loads`,
      );
      t.log(
        Object.entries(result.faults)
          .map(([name, count]) => `${name}: ${count}`)
          .join(', '),
      );
      t.true(reads > 1_000 && invalidations > 20 && l1Hits > 20);
      t.deepEqual(result.examples, []);
      t.deepEqual(result.uncaught, []);
    },
  );
}

const READ = { type: 'read', process: 0, key: 'k', began: 0, asked: 0, fromMemory: false } as const;
const INVALIDATED = {
  type: 'invalidation',
  process: 9,
  key: 'k',
  version: 2,
  ended: 10,
  acknowledged: true,
} as const;

function judge(events: readonly HistoryEvent[], boundMs = 0): Verdict {
  const checker = new HistoryChecker(1, boundMs);
  checker.add(0, events, 0);
  return checker.finish();
}

function rules(events: readonly HistoryEvent[], boundMs = 0): string[] {
  return judge(events, boundMs).examples.map(({ rule }) => rule);
}

test('the checker distinguishes stale and concurrent reads', (t) => {
  t.deepEqual(rules([INVALIDATED, { ...READ, start: 5, end: 20, version: 1 }]), []);
  t.deepEqual(rules([INVALIDATED, { ...READ, start: 11, end: 20, version: 1 }]), ['stale']);
  t.deepEqual(rules([INVALIDATED, { ...READ, start: 11, end: 20, version: 2 }]), []);
  const unknown = { ...INVALIDATED, acknowledged: false };
  t.deepEqual(rules([unknown, { ...READ, start: 11, end: 20, version: 1 }]), []);
});

test('the checker allows what comes from memory to be stale for a while, in other processes', (t) => {
  const fromMemory = { ...READ, fromMemory: true, version: 1 };
  const within = judge([INVALIDATED, { ...fromMemory, start: 109, end: 109 }], 100);
  t.like(within, { violations: 0, staleReads: 1, worstStaleMs: 99 });
  t.deepEqual(rules([INVALIDATED, { ...fromMemory, start: 111, end: 111 }], 100), ['stale']);
  t.deepEqual(rules([INVALIDATED, { ...READ, start: 11, end: 11, version: 1 }], 100), ['stale']);
  for (const acknowledged of [true, false]) {
    const own = { ...INVALIDATED, process: 0, acknowledged };
    t.deepEqual(rules([own, { ...fromMemory, start: 11, end: 11 }], 100), ['own']);
    t.deepEqual(rules([own, { ...fromMemory, start: 9, end: 11 }], 100), []);
  }
});

test('the checker finds reads that go backwards', (t) => {
  const newer = { ...READ, start: 0, end: 5, version: 3, began: 4, asked: 3 };
  const older = { ...READ, start: 6, end: 7, version: 2, began: 2, asked: 1 };
  t.deepEqual(rules([newer, older]), ['backwards']);
  t.deepEqual(rules([newer, { ...older, process: 1 }]), []);
  t.deepEqual(rules([newer, { ...older, start: 4 }]), []);
  t.like(judge([newer, { ...older, began: 4 }]), { violations: 0, overlapping: 1 });
});

test('the checker waits for the reports of all processes', (t) => {
  const checker = new HistoryChecker(2, 0);
  checker.add(0, [{ ...READ, start: 11, end: 12, version: 1 }], 20);
  t.is(checker.verdict.reads, 0);
  checker.add(1, [INVALIDATED], 11);
  t.is(checker.verdict.reads, 0);
  checker.add(1, [], 12);
  t.like(checker.verdict, { reads: 1, invalidations: 1, violations: 1 });
});
