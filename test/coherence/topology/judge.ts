import { checkAdmissions } from '../../limits/history/check-admissions.js';
import { checkRuns } from '../../limits/history/check-runs.js';
import { HistoryChecker, type HistoryEvent, type Violation } from '../history/check-history.js';
import { checkLockedBodies } from './check-locked-bodies.js';
import { RULES, SLOTS, limitRecord } from './guarded.js';
import type { Loss } from './operator.js';
import { MODES, type Mode } from './modes.js';
import type { RecordedEvent, WorkerHistory } from './topology-worker.js';

/** For how long the L1 of another process may return an invalidated value (G2 in docs/coherence.md). */
const BOUND_MS = 1_000;

export interface EntriesVerdict {
  readonly mode: Mode;
  readonly reads: number;
  readonly fromMemory: number;
  readonly updates: number;
  readonly queued: number;
  /** Updates that a replica has confirmed. */
  readonly replicated: number;
  /** Reads of a value that was invalidated, whatever the reason. */
  readonly wrong: number;
  /** Of these, reads of what the same process had invalidated, and reads of what is older than it had returned. */
  readonly own: number;
  readonly backwards: number;
  /** Invalidations that were lost, as wrong reads show. */
  readonly lost: number;
  /** Of these, by masters whose replica was in step when they were killed. */
  readonly lostInStep: number;
  /** How long before the end of its master the first of them was acknowledged, in ms. */
  readonly earliestLostMs: number;
  /** How many wrong reads are no case of loss, and the first of them. */
  readonly unexplained: number;
  readonly violations: readonly Violation[];
  /** Reads from memory of another process within the bound of G2, and the latest of them after the acknowledgement, in ms. */
  readonly staleFromMemory: number;
  readonly worstStaleMs: number;
}

export interface TopologyVerdict {
  readonly entries: readonly EntriesVerdict[];
  readonly limits: Guarded;
  readonly slots: Guarded;
  readonly locks: Guarded & { readonly tokensBackwards: number };
}

interface Guarded {
  readonly calls: number;
  readonly admitted: number;
  /** Calls from which on a limit was exceeded, bodies that overlapped: whatever the reason. */
  readonly wrong: number;
  /** Those that are no case of loss. */
  readonly violations: readonly string[];
}

/**
 * Judges the histories of all processes twice: as they are, and without what a failover may have lost. The first judgement
 * counts what was wrong. In the second one nothing may be.
 */
export function judge(histories: readonly WorkerHistory[], losses: readonly Loss[]): TopologyVerdict {
  return {
    entries: MODES.map((mode) => judgeEntries(mode, histories, losses)),
    limits: judgeLimits(histories, losses),
    slots: judgeSlots(histories, losses),
    locks: judgeLocks(histories, losses),
  };
}

function judgeEntries(
  mode: Mode,
  histories: readonly WorkerHistory[],
  losses: readonly Loss[],
): EntriesVerdict {
  const events = histories.map(({ entries }) => entries[mode]);
  const all = events.flat();
  const boundMs = mode === 'bus' || mode === 'tracking' ? BOUND_MS : 0;
  const wrong: Violation[] = [];
  const plain = check(events, boundMs, (violation) => wrong.push(violation));
  const lost = new Set(all.filter((event) => mayBeLost(event, losses)));
  const unexplained = new Set(wrong.filter((violation) => !isShown(violation, losses)));
  check(
    events.map((list) => list.filter((event) => !lost.has(event))),
    boundMs,
    (violation) => {
      // A violation without any loss before it is there already.
      if (isShown(violation, losses) && !wentBack(violation, losses)) unexplained.add(violation);
    },
  );
  return {
    mode,
    reads: plain.reads,
    fromMemory: plain.fromMemory,
    updates: plain.invalidations,
    queued: plain.invalidations - plain.acknowledged,
    replicated: all.filter((event) => event.type === 'invalidation' && event.replicated === true).length,
    wrong: wrong.length,
    own: wrong.filter(({ rule }) => rule === 'own').length,
    backwards: wrong.filter(({ rule }) => rule === 'backwards').length,
    ...lostBy(wrong, lost, losses),
    violations: [...unexplained].slice(0, 3).map((violation) => ({
      ...violation,
      updates: all.filter(({ type, key }) => type === 'invalidation' && key === violation.read.key),
      losses: losses.filter(({ covers }) => covers((violation.read as RecordedEvent).record)),
    })),
    unexplained: unexplained.size,
    staleFromMemory: plain.staleReads,
    worstStaleMs: plain.worstStaleMs,
  };
}

/** True for a read after a failover that may have lost something of its record. */
function isShown({ read }: Violation, losses: readonly Loss[]): boolean {
  const { record } = read as Extract<RecordedEvent, { type: 'read' }>;
  return losses.some(({ shownFrom, covers }) => covers(record) && shownFrom <= read.end);
}

/** Which invalidations the wrong reads show to be lost. */
function lostBy(
  wrong: readonly Violation[],
  candidates: ReadonlySet<RecordedEvent>,
  losses: readonly Loss[],
): Pick<EntriesVerdict, 'lost' | 'lostInStep' | 'earliestLostMs'> {
  const shown = new Set(wrong.map(({ read, expected }) => `${read.key} ${expected}`));
  const found = [...candidates].flatMap((event) =>
    event.type === 'invalidation' && shown.has(`${event.key} ${event.version}`) ? [event] : [],
  );
  const losing = found.map(({ asked, ended, record }) => {
    const loss = losses.find(({ from, to, covers }) => asked! <= to && ended >= from && covers(record))!;
    return { inStep: loss.inStep, beforeEnd: loss.to - ended };
  });
  return {
    lost: found.length,
    lostInStep: losing.filter(({ inStep }) => inStep).length,
    earliestLostMs: Math.max(0, ...losing.map(({ beforeEnd }) => beforeEnd)),
  };
}

function check(
  events: readonly (readonly HistoryEvent[])[],
  boundMs: number,
  onViolation?: (violation: Violation) => void,
) {
  const checker = new HistoryChecker(events.length, boundMs, onViolation);
  for (const [process, list] of events.entries()) checker.add(process, list, Infinity);
  return checker.finish();
}

/** True for an invalidation that a master confirmed, and that no other server may have had when it was killed. */
function mayBeLost(event: RecordedEvent, losses: readonly Loss[]): boolean {
  if (event.type !== 'invalidation' || event.replicated === true) return false;
  return isWithin(losses, event.record, event.asked!, event.ended);
}

/** True for a value that was loaded before a failover, and stored again by it. The newer one was loaded before it, too (G4). */
function wentBack({ rule, read, newerAsked }: Violation, losses: readonly Loss[]): boolean {
  const { record } = read as Extract<RecordedEvent, { type: 'read' }>;
  return (
    rule === 'backwards' &&
    losses.some(
      ({ from, to, covers }) => covers(record) && read.began <= to && newerAsked! <= to && read.end >= from,
    )
  );
}

function isWithin(losses: readonly Loss[], record: string, begin: number, end: number): boolean {
  return losses.some(({ from, to, covers }) => begin <= to && end >= from && covers(record));
}

function judgeLimits(histories: readonly WorkerHistory[], losses: readonly Loss[]): Guarded {
  const limited = histories.flatMap((history) => history.limited);
  const violations: string[] = [];
  let wrong = 0;
  for (const subject of new Set(limited.map((one) => one.subject))) {
    const { name, ...rule } = RULES.find((one) => subject.startsWith(`${one.name}:`))!;
    const calls = limited.filter((one) => one.subject === subject).map(({ call }) => call);
    wrong += over(checkAdmissions(calls, [rule]).violations);
    // Whether units count that were lost is not known, as with a call that has failed.
    const doubtful = calls.map((call) =>
      isWithin(losses, limitRecord(subject), call.sent, call.received)
        ? ({ ...call, outcome: 'unknown' } as const)
        : call,
    );
    for (const { rule: broken, at, detail } of checkAdmissions(doubtful, [rule]).violations) {
      violations.push(`${name} ${subject}: ${broken} at ${Math.round(at)} ms (${detail})`);
    }
  }
  const admitted = limited.filter(({ call }) => call.outcome === 'admitted').length;
  return { calls: limited.length, admitted, wrong, violations };
}

function over(violations: readonly { readonly rule: string }[]): number {
  return violations.filter(({ rule }) => rule === 'over the limit').length;
}

function judgeSlots(histories: readonly WorkerHistory[], losses: readonly Loss[]): Guarded {
  const held = histories.flatMap((history) => history.held);
  const violations: string[] = [];
  let wrong = 0;
  for (const subject of new Set(held.map((one) => one.subject))) {
    const runs = held.filter((one) => one.subject === subject).map(({ run }) => run);
    wrong += over(checkRuns(runs, SLOTS).violations);
    const doubtful = runs.map((run) =>
      isWithin(losses, limitRecord(subject), run.sent, run.received)
        ? ({ ...run, outcome: 'unknown' } as const)
        : run,
    );
    for (const { rule: broken, at, detail } of checkRuns(doubtful, SLOTS).violations) {
      violations.push(`${subject}: ${broken} at ${Math.round(at)} ms (${detail})`);
    }
  }
  const admitted = held.filter(({ run }) => run.outcome === 'admitted').length;
  return { calls: held.length, admitted, wrong, violations };
}

function judgeLocks(histories: readonly WorkerHistory[], losses: readonly Loss[]): TopologyVerdict['locks'] {
  const bodies = histories.flatMap((history) => history.locked);
  const plain = checkLockedBodies(bodies);
  const certain = bodies.filter(
    ({ records, asked, end }) => !records.some((record) => isWithin(losses, record, asked, end)),
  );
  const rest = checkLockedBodies(certain);
  const violations = rest.overlaps === 0 ? [] : [`${rest.overlaps} bodies overlap`];
  return {
    calls: bodies.length,
    admitted: bodies.filter(({ proven }) => proven).length,
    wrong: plain.overlaps,
    tokensBackwards: plain.tokensBackwards,
    violations,
  };
}
