/**
 * For how many ms after it was asked for a lease can be proven: what clocks that run at a slightly different rate
 * may disagree about is taken off (1 %, and 2 ms for the servers' whole milliseconds).
 */
export function validity(leaseMs: number): number {
  return leaseMs - leaseMs / 100 - 2;
}
