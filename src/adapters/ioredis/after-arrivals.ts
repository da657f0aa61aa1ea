/**
 * Runs a task when what lies in the sockets has been read. For deadlines: one may have passed because this process
 * was busy, while the reply was there in time.
 */
export function afterArrivals(task: () => void): void {
  setImmediate(task);
}
