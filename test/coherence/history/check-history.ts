/** An event as one process recorded it. Times are `process.hrtime`, which all processes of a host share. */
export type HistoryEvent =
  | {
      readonly type: 'read';
      readonly process: number;
      readonly key: string;
      readonly start: bigint;
      readonly end: bigint;
      readonly version: number;
    }
  | {
      readonly type: 'invalidation';
      readonly process: number;
      readonly key: string;
      /** The least version that the database had when the invalidation was sent. */
      readonly version: number;
      readonly acknowledged: bigint;
    };

type Read = Extract<HistoryEvent, { type: 'read' }>;
type Invalidation = Extract<HistoryEvent, { type: 'invalidation' }>;

export interface Violation {
  readonly rule: 'stale' | 'backwards';
  readonly read: Read;
  /** The least version that the read had to return, known before it started. */
  readonly expected: number;
}

export interface Verdict {
  readonly reads: number;
  readonly invalidations: number;
  readonly violations: readonly Violation[];
}

/**
 * Checks two rules for each key:
 *
 * - stale: a read that starts after an acknowledged invalidation returns no version older than that of the database at
 *   that invalidation, whichever process reads or invalidates (G1, G3, G7);
 * - backwards: a read that starts after another read of the same process returned does not return an older version
 *   (G4).
 */
export function checkHistory(events: readonly HistoryEvent[]): Verdict {
  const reads = events.filter((event) => event.type === 'read');
  const invalidations = events.filter((event) => event.type === 'invalidation');
  const violations = [
    ...sweep(
      'stale',
      reads,
      invalidations.map((one: Invalidation) => ({
        scope: one.key,
        at: one.acknowledged,
        version: one.version,
      })),
      (read) => read.key,
    ),
    ...sweep(
      'backwards',
      reads,
      reads.map((one) => ({ scope: `${one.process} ${one.key}`, at: one.end, version: one.version })),
      (read) => `${read.process} ${read.key}`,
    ),
  ];
  return { reads: reads.length, invalidations: invalidations.length, violations };
}

interface Known {
  readonly scope: string;
  readonly at: bigint;
  readonly version: number;
}

/** Walks through the events in order of time: what is known at `at` applies to the reads that start later. */
function sweep(
  rule: Violation['rule'],
  reads: readonly Read[],
  known: readonly Known[],
  scopeOf: (read: Read) => string,
): Violation[] {
  const inOrder = [...known].sort((a, b) => compare(a.at, b.at));
  const starts = [...reads].sort((a, b) => compare(a.start, b.start));
  const least = new Map<string, number>();
  const violations: Violation[] = [];
  let next = 0;
  for (const read of starts) {
    for (; next < inOrder.length && inOrder[next]!.at < read.start; next++) {
      const { scope, version } = inOrder[next]!;
      if (version > (least.get(scope) ?? -1)) least.set(scope, version);
    }
    const expected = least.get(scopeOf(read)) ?? -1;
    if (read.version < expected) violations.push({ rule, read, expected });
  }
  return violations;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
