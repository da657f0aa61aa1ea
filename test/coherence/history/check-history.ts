/** A read as one process recorded it. Times are ms of `process.hrtime`, which all processes of a host share. */
export interface Read {
  readonly type: 'read';
  readonly process: number;
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly version: number;
  /** When the loader of this value began. Its lease was granted before that. */
  readonly began: number;
  /** When the call began that has started the load of this value. Its lease was granted after that. */
  readonly asked: number;
  /** True if the value came from the memory of the process, and the store was not asked. */
  readonly fromMemory: boolean;
}

export interface Invalidation {
  readonly type: 'invalidation';
  readonly process: number;
  readonly key: string;
  /** The least version that the database had when the invalidation was sent. */
  readonly version: number;
  /** When the call returned. */
  readonly ended: number;
  /** False: the store did not answer, and the invalidation is queued. It binds its own process only. */
  readonly acknowledged: boolean;
}

export type HistoryEvent = Read | Invalidation;

export interface Violation {
  readonly rule: 'stale' | 'own' | 'backwards';
  readonly read: Read;
  /** The least version that the read had to return, known before it started. */
  readonly expected: number;
  /** `stale`: for how long a newer version had been acknowledged when the read started, in ms. */
  readonly staleMs?: number;
  /** `backwards`: when the call began that has started the load of the newer version. */
  readonly newerAsked?: number;
}

export interface Verdict {
  readonly reads: number;
  readonly fromMemory: number;
  readonly invalidations: number;
  readonly acknowledged: number;
  /** Reads of a version that another process had invalidated, within the bound. */
  readonly staleReads: number;
  /** Of these reads, the longest time between the acknowledgement and the start of the read, in ms. */
  readonly worstStaleMs: number;
  /**
   * Reads of a version older than one that the process had returned, of a load that ran at the same time as that of the
   * newer version. Which of two such loads started earlier is not known here, so G4 does not decide.
   */
  readonly overlapping: number;
  readonly violations: number;
  /** The first of them. */
  readonly examples: readonly Violation[];
}

const MAX_EXAMPLES = 20;
/** Of each key so many acknowledgements are remembered, which is minutes. */
const MAX_ACKNOWLEDGED = 2_048;

/** An event, or one end of it, as a point in time. */
interface Point {
  readonly at: number;
  readonly what: 'start' | 'end';
  readonly event: HistoryEvent;
}

/**
 * Checks a history while it is written. Rules, for each key:
 *
 * - stale: a read that starts after an acknowledged invalidation returns no version older than that of the database at that
 *   invalidation, whichever process reads or invalidates (G1, G7). A value from memory may be older for `boundMs` (G2);
 * - own: in the process that has invalidated, no read that starts afterwards returns an older version, from memory or not,
 *   even if the invalidation was not acknowledged (G3);
 * - backwards: a read that starts after another read of the same process returned does not return an older version of a
 *   load that started earlier (G4).
 */
export class HistoryChecker {
  readonly #boundMs: number;
  readonly #onViolation: ((violation: Violation) => void) | undefined;
  /** For each process, the time before which it will report nothing more. */
  readonly #reported: number[];
  #points: Point[] = [];
  /** By key: what was acknowledged, in order of time. Each has a higher version than the one before. */
  readonly #acknowledged = new Map<string, { readonly at: number; readonly version: number }[]>();
  /** By process and key: the highest version that it has invalidated. */
  readonly #own = new Map<string, number>();
  /** By process and key: reads that have returned. None is below another one in both version and start of the load. */
  readonly #returned = new Map<string, Pick<Read, 'version' | 'asked'>[]>();
  readonly #counts = {
    reads: 0,
    fromMemory: 0,
    invalidations: 0,
    acknowledged: 0,
    staleReads: 0,
    worstStaleMs: 0,
    overlapping: 0,
    violations: 0,
  };
  readonly #examples: Violation[] = [];

  /**
   * @param boundMs for how long another process may return an invalidated value from its memory
   * @param onViolation called with every violation
   */
  constructor(processes: number, boundMs: number, onViolation?: (violation: Violation) => void) {
    this.#onViolation = onViolation;
    this.#reported = Array.from({ length: processes }, () => 0);
    this.#boundMs = boundMs;
  }

  /** Adds events of a process that reports no later one which starts or ends before `until`. */
  add(process: number, events: readonly HistoryEvent[], until: number): void {
    for (const event of events) {
      if (event.type === 'read') this.#points.push({ at: event.start, what: 'start', event });
      this.#points.push({ at: event.type === 'read' ? event.end : event.ended, what: 'end', event });
    }
    this.#reported[process] = until;
    this.#advance(Math.min(...this.#reported));
  }

  /** Checks what is left. No process reports anything more. */
  finish(): Verdict {
    this.#advance(Infinity);
    return this.verdict;
  }

  get verdict(): Verdict {
    return { ...this.#counts, examples: this.#examples };
  }

  /** Walks through the points in order of time: what has ended applies to the reads that start later. */
  #advance(until: number): void {
    const points = this.#points.sort(
      (a, b) => a.at - b.at || (a.what === b.what ? 0 : a.what === 'start' ? -1 : 1),
    );
    let next = 0;
    for (; next < points.length && points[next]!.at < until; next++) {
      const { what, event } = points[next]!;
      if (event.type === 'invalidation') this.#invalidated(event);
      else if (what === 'start') this.#check(event);
      else this.#didReturn(event);
    }
    this.#points = points.slice(next);
  }

  #invalidated({ process, key, version, ended, acknowledged }: Invalidation): void {
    this.#counts.invalidations += 1;
    const own = `${process} ${key}`;
    this.#own.set(own, Math.max(version, this.#own.get(own) ?? -1));
    if (!acknowledged) return;
    this.#counts.acknowledged += 1;
    const known = getOrAdd(this.#acknowledged, key);
    if (version <= (known.at(-1)?.version ?? -1)) return;
    known.push({ at: ended, version });
    if (known.length > MAX_ACKNOWLEDGED) known.splice(0, MAX_ACKNOWLEDGED / 2);
  }

  #didReturn({ process, key, version, asked }: Read): void {
    const scope = `${process} ${key}`;
    const kept = getOrAdd(this.#returned, scope).filter((one) => one.version > version || one.asked > asked);
    if (!kept.some((one) => one.version >= version && one.asked >= asked)) kept.push({ version, asked });
    this.#returned.set(scope, kept);
  }

  #check(read: Read): void {
    const { process, key, version, start, began, fromMemory } = read;
    this.#counts.reads += 1;
    if (fromMemory) this.#counts.fromMemory += 1;

    const own = this.#own.get(`${process} ${key}`) ?? -1;
    if (version < own) this.#violation({ rule: 'own', read, expected: own });

    const known = this.#acknowledged.get(key);
    if (known !== undefined && known.at(-1)!.version > version) {
      const newer = known.find((one) => one.version > version)!;
      const staleMs = start - newer.at;
      const allowed = fromMemory ? this.#boundMs : 0;
      if (staleMs > allowed) this.#violation({ rule: 'stale', read, expected: newer.version, staleMs });
      else {
        this.#counts.staleReads += 1;
        this.#counts.worstStaleMs = Math.max(this.#counts.worstStaleMs, staleMs);
      }
    }

    const newest = this.#returned.get(`${process} ${key}`)?.filter((one) => one.version > version) ?? [];
    const certain = newest.find((one) => one.asked > began);
    if (certain !== undefined) {
      const { version: expected, asked: newerAsked } = certain;
      this.#violation({ rule: 'backwards', read, expected, newerAsked });
    } else if (newest.length > 0) this.#counts.overlapping += 1;
  }

  #violation(violation: Violation): void {
    this.#counts.violations += 1;
    this.#onViolation?.(violation);
    if (this.#examples.length < MAX_EXAMPLES) this.#examples.push(violation);
  }
}

function getOrAdd<T>(map: Map<string, T[]>, key: string): T[] {
  let list = map.get(key);
  if (list === undefined) map.set(key, (list = []));
  return list;
}
