/** A body that ran under a lock. Times are ms of `process.hrtime`. */
export interface LockedBody {
  readonly lock: string;
  /** Keys in the slots of what the lock has stored. */
  readonly records: readonly string[];
  /** How many bodies may run at once. */
  readonly permits: number;
  readonly asked: number;
  readonly begin: number;
  readonly end: number;
  /** The fencing token; undefined for a lock that has none. */
  readonly token: string | undefined;
  /** The lease could still be proven after `end`. */
  readonly proven: boolean;
}

export interface LockedVerdict {
  readonly bodies: number;
  /** Bodies that began while as many ran as may, all of them under leases that are proven to their ends. */
  readonly overlaps: number;
  /** Pairs of bodies, one after the other, of which the later has not the larger token. */
  readonly tokensBackwards: number;
}

/** Checks the bodies of all locks. A body whose lease was lost says so, and does not count. */
export function checkLockedBodies(bodies: readonly LockedBody[]): LockedVerdict {
  let [overlaps, tokensBackwards] = [0, 0];
  for (const lock of new Set(bodies.map((body) => body.lock))) {
    const inOrder = bodies
      .filter((body) => body.lock === lock && body.proven)
      .sort((a, b) => a.begin - b.begin);
    let running: LockedBody[] = [];
    let highest: bigint | undefined;
    for (const body of inOrder) {
      running = running.filter(({ end }) => end > body.begin);
      if (running.length >= body.permits) overlaps += 1;
      running.push(body);
      if (body.token === undefined) continue;
      const token = BigInt(body.token);
      if (highest !== undefined && token <= highest) tokensBackwards += 1;
      else highest = token;
    }
  }
  return { bodies: bodies.length, overlaps, tokensBackwards };
}
