import type { ResourceLine } from './fenced-counter.js';

/** What a worker says at the end of a body. Times are `process.hrtime`, which all processes of a host share. */
export interface EndedBody {
  readonly attempt: string;
  readonly end: bigint;
  /** The lease could still be proven after `end`: so it was held for all of the body. */
  readonly proven: boolean;
  /** The resource has taken the write, and the worker knows. */
  readonly acknowledged: boolean;
}

export interface LockHistory {
  /** The counter, after everything. */
  readonly value: number;
  readonly log: readonly ResourceLine[];
  readonly ended: readonly EndedBody[];
  /** When the workers that were killed were killed, by worker. */
  readonly killed: ReadonlyMap<number, bigint>;
}

export interface LockVerdict {
  /** Writes that a worker knows to be done. */
  readonly acknowledged: number;
  /** Writes that the resource did for workers that were killed before they could say so. */
  readonly unknown: number;
  /** Writes done that do not count in the counter: another's overwrote them. */
  readonly lost: number;
  /** Reads and writes that the resource refused. */
  readonly refused: number;
  /** Bodies that began while another ran. */
  readonly overlaps: number;
  /** Pairs of bodies that ran at the same time although the leases of both are proven to their ends. */
  readonly provenOverlaps: readonly (readonly [string, string])[];
  /** Whatever cannot be: an acknowledged write that the log does not have, or has twice; one of nobody. */
  readonly contradictions: readonly string[];
}

/** Judges a run by the resource's own log, and by what the workers said that lived to say it. */
export function checkLockHistory({ value, log, ended, killed }: LockHistory): LockVerdict {
  const writes = log.filter(({ did }) => did === 'wrote');
  const written = new Map<string, number>();
  for (const { attempt } of writes) written.set(attempt, (written.get(attempt) ?? 0) + 1);
  const acknowledged = new Set(ended.filter((body) => body.acknowledged).map(({ attempt }) => attempt));
  const contradictions: string[] = [];
  for (const attempt of acknowledged) {
    if (written.get(attempt) !== 1) {
      contradictions.push(`${attempt} is acknowledged and written ${written.get(attempt) ?? 0} times`);
    }
  }
  let unknown = 0;
  for (const attempt of written.keys()) {
    if (acknowledged.has(attempt)) continue;
    if (killed.has(workerOf(attempt))) unknown += 1;
    else contradictions.push(`${attempt} is written, its worker was not killed, and did not acknowledge it`);
  }
  const { overlaps, provenOverlaps } = overlapsOf(bodiesOf(log, ended, killed));
  return {
    acknowledged: acknowledged.size,
    unknown,
    lost: writes.length - value,
    refused: log.filter(({ did }) => did.startsWith('refused')).length,
    overlaps,
    provenOverlaps,
    contradictions,
  };
}

interface Body {
  readonly attempt: string;
  readonly begin: bigint;
  readonly end: bigint;
  readonly proven: boolean;
}

/** A body whose end nobody told ended, at the latest, when its worker was killed. */
function bodiesOf(
  log: readonly ResourceLine[],
  ended: readonly EndedBody[],
  killed: ReadonlyMap<number, bigint>,
): Body[] {
  const ends = new Map(ended.map((body) => [body.attempt, body]));
  const bodies: Body[] = [];
  for (const { did, attempt, began } of log) {
    if (did !== 'read' && did !== 'refused read') continue;
    const known = ends.get(attempt);
    const end = known?.end ?? killed.get(workerOf(attempt));
    if (end !== undefined) bodies.push({ attempt, begin: began, end, proven: known?.proven ?? false });
  }
  return bodies.sort((a, b) => (a.begin < b.begin ? -1 : a.begin > b.begin ? 1 : 0));
}

function overlapsOf(inOrder: readonly Body[]): Pick<LockVerdict, 'overlaps' | 'provenOverlaps'> {
  let overlaps = 0;
  const provenOverlaps: (readonly [string, string])[] = [];
  let running: Body[] = [];
  for (const body of inOrder) {
    running = running.filter(({ end }) => end > body.begin);
    if (running.length > 0) overlaps += 1;
    for (const other of running) {
      if (other.proven && body.proven) provenOverlaps.push([other.attempt, body.attempt]);
    }
    running.push(body);
  }
  return { overlaps, provenOverlaps };
}

function workerOf(attempt: string): number {
  return Number(attempt.split('.')[0]);
}
