/** Something that is done to one of the workers. */
export interface Disturbance {
  /** After so many increments. */
  readonly after: number;
  readonly what: 'kill' | 'pause';
  /** True: to a worker that runs a body at this moment (a pause: between its read and its write); false: to any. */
  readonly inBody: boolean;
  /** For pauses, in ms. */
  readonly ms: number;
  /** Chooses the worker. */
  readonly pick: number;
}

export interface DisturbancePlan {
  readonly kills: number;
  /** Pauses that last longer than the lease. */
  readonly longPauses: number;
  /** Pauses of less than a third of it. */
  readonly shortPauses: number;
}

/** Disturbances at random moments of a run of so many increments: every second one hits a body. */
export function planDisturbances(
  plan: DisturbancePlan,
  increments: number,
  leaseMs: number,
  random: () => number,
): Disturbance[] {
  const some = (count: number, one: (i: number) => Omit<Disturbance, 'after' | 'pick'>): Disturbance[] =>
    Array.from({ length: count }, (_, i) => ({
      ...one(i),
      after: Math.floor(random() * increments * 0.95),
      pick: random(),
    }));
  return [
    ...some(plan.kills, (i) => ({ what: 'kill', inBody: i % 2 === 0, ms: 0 })),
    ...some(plan.longPauses, (i) => ({
      what: 'pause',
      inBody: i % 2 === 0,
      ms: leaseMs * (2 + random()),
    })),
    ...some(plan.shortPauses, (i) => ({
      what: 'pause',
      inBody: i % 2 === 0,
      ms: (leaseMs * random()) / 3,
    })),
  ].sort((a, b) => a.after - b.after);
}
