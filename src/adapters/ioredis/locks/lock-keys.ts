/**
 * How long the counter of fencing tokens is kept after a lease begins or is extended: twice the longest lease. A new counter
 * starts at the server's time in us.
 */
export const FENCE_MS = 2 * 24 * 60 * 60 * 1_000;

/** The counter of fencing tokens. All keys of a lock are in one slot, because its name is a hash tag. */
export function fenceOf(key: string): string {
  return `${key}:fence`;
}

/** The mark of a writer that waits for readers: `+` if a reader was refused because of it, else `-`. */
export function pendingWriterOf(key: string): string {
  return `${key}:writer`;
}

/** The queue of a fair lock: tickets by arrival, and tickets by the end of their validity. */
export function queueOf(key: string): readonly [queue: string, places: string] {
  return [`${key}:queue`, `${key}:places`];
}
