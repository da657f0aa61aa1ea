import test from 'ava';
import { checkLockedBodies, type LockedBody } from './check-locked-bodies.js';
import type { Limited } from './guarded.js';
import { judge } from './judge.js';
import type { Loss } from './operator.js';
import type { RecordedEvent, WorkerHistory } from './topology-worker.js';

type Update = Extract<RecordedEvent, { type: 'invalidation' }>;
type Read = Extract<RecordedEvent, { type: 'read' }>;

const UPDATE: Update = {
  type: 'invalidation',
  ...{ process: 0, key: 'k', record: 'r', version: 2, acknowledged: true, asked: 95, ended: 100 },
};
const READ: Read = {
  type: 'read',
  ...{ process: 1, key: 'k', record: 'r', version: 1, fromMemory: false },
  ...{ start: 200, end: 210, began: 50, asked: 50 },
};
const LOSS: Loss = { from: 90, to: 120, shownFrom: 120, inStep: false, covers: (record) => record === 'r' };

function history(over: Partial<WorkerHistory>): WorkerHistory {
  const failed = { calls: 0, withoutStore: 0, queued: 0, limits: 0, locksHeld: 0, locksUnavailable: 0 };
  return {
    entries: { none: [], bus: [], tracking: [], validate: [] },
    ...{ limited: [], held: [], locked: [], errors: [] },
    failed: { ...failed, leasesLost: 0, degraded: 0 },
    ...over,
  };
}

function entriesOf(events: readonly RecordedEvent[], losses: readonly Loss[]) {
  const none = [0, 1].map((process) => events.filter((event) => event.process === process));
  const histories = none.map((list) =>
    history({ entries: { none: list, bus: [], tracking: [], validate: [] } }),
  );
  const { wrong, lost, unexplained } = judge(histories, losses).entries[0]!;
  return { wrong, lost, unexplained };
}

test('the judge explains a wrong read by a loss of its invalidation, on its master and at its time only', (t) => {
  const wrongRead = [UPDATE, READ];
  t.deepEqual(entriesOf(wrongRead, []), { wrong: 1, lost: 0, unexplained: 1 });
  t.deepEqual(entriesOf(wrongRead, [LOSS]), { wrong: 1, lost: 1, unexplained: 0 });
  const elsewhere = { ...LOSS, covers: () => false };
  t.is(entriesOf(wrongRead, [elsewhere]).unexplained, 1);
  t.is(entriesOf(wrongRead, [{ ...LOSS, from: 101 }]).unexplained, 1, 'It was acknowledged before.');
  t.is(entriesOf(wrongRead, [{ ...LOSS, to: 94 }]).unexplained, 1, 'It was sent afterwards.');
  const early = [UPDATE, { ...READ, start: 105, end: 115 }];
  t.is(entriesOf(early, [LOSS]).unexplained, 1, 'The master that has it still answered.');
});

test('the judge explains nothing by the loss of an invalidation that a replica has, or that was not the last one', (t) => {
  t.is(entriesOf([{ ...UPDATE, replicated: true }, READ], [LOSS]).unexplained, 1);
  const later = { ...UPDATE, version: 3, asked: 150, ended: 160 };
  t.is(entriesOf([UPDATE, later, READ], [LOSS]).unexplained, 1);
});

test('the judge explains a read that goes backwards if both values were loaded before a failover', (t) => {
  const newer = { ...READ, version: 2, start: 60, end: 130, began: 70, asked: 65 };
  t.deepEqual(entriesOf([newer, READ], [LOSS]), { wrong: 1, lost: 0, unexplained: 0 });
  t.is(entriesOf([newer, READ], []).unexplained, 1);
  t.is(
    entriesOf([{ ...newer, asked: 125 }, READ], [LOSS]).unexplained,
    1,
    'The newer one was loaded after it.',
  );
});

const BODY: LockedBody = {
  ...{ lock: 'plain:0', records: ['r'], permits: 1, token: '1', proven: true },
  ...{ asked: 90, begin: 100, end: 110 },
};
const OTHER: LockedBody = { ...BODY, token: '2', asked: 90, begin: 105, end: 120 };

test('the checker of locked bodies counts those that overlap under proven leases, and tokens that do not grow', (t) => {
  const next = { ...OTHER, begin: 111 };
  t.deepEqual(checkLockedBodies([BODY, next]), { bodies: 2, overlaps: 0, tokensBackwards: 0 });
  t.like(checkLockedBodies([BODY, OTHER]), { overlaps: 1 });
  t.like(checkLockedBodies([BODY, { ...OTHER, lock: 'plain:1' }]), { overlaps: 0 });
  t.like(checkLockedBodies([{ ...BODY, proven: false }, OTHER]), { overlaps: 0 });
  const two = [BODY, OTHER].map((body) => ({ ...body, permits: 2, token: undefined }));
  t.like(checkLockedBodies(two), { overlaps: 0 });
  t.like(checkLockedBodies([...two, two[1]!]), { overlaps: 1 });
  t.like(checkLockedBodies([BODY, { ...next, token: '1' }]), { tokensBackwards: 1 });
});

test('the judge explains two holders by the loss of a lock', (t) => {
  const locks = (losses: readonly Loss[]) => judge([history({ locked: [BODY, OTHER] })], losses).locks;
  t.like(locks([]), { wrong: 1, violations: ['1 bodies overlap'] });
  t.like(locks([LOSS]), { wrong: 1, violations: [] });
  t.is(locks([{ ...LOSS, from: 121, to: 130 }]).violations.length, 1);
});

test('the judge explains units over a limit by the loss of those that counted', (t) => {
  const call = (at: number): Limited => ({
    subject: 'log:0',
    call: {
      outcome: 'admitted',
      source: 'store',
      ...{ process: 0, sent: at, received: at + 0.1, cost: 1, retryAfterMs: 0, resetMs: 0 },
    },
  });
  const limited = Array.from({ length: 61 }, (_, i) => call(i));
  const limits = (losses: readonly Loss[]) => judge([history({ limited })], losses).limits;
  t.true(limits([]).violations.length > 0);
  const loss = { from: 20, to: 25, shownFrom: 25, inStep: false, covers: () => true };
  t.deepEqual(limits([loss]).violations, []);
  t.true(limits([loss]).wrong > 0);
  t.true(limits([{ ...loss, from: 200, to: 250 }]).violations.length > 0);
});
