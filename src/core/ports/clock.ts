/** Time and randomness as a port, so that tests control both. */
export interface Clock {
  /** Milliseconds of a monotonic clock. Only differences are meaningful. */
  now(): number;
  /** Runs `task` once, after `ms` milliseconds. Does not keep the process alive. */
  after(ms: number, task: () => void): Timer;
  /** A number in [0, 1). */
  random(): number;
}

/** A scheduled task. */
export interface Timer {
  /** Prevents the task from running. Does nothing if it has run. */
  cancel(): void;
}
