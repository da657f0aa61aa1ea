/** Time and chance as a port, so that tests own both. */
export interface Clock {
  /** Monotonic milliseconds. Only differences mean something. */
  now(): number;
  /** Runs `task` once, `ms` milliseconds from now. Never keeps the process alive. */
  after(ms: number, task: () => void): Timer;
  /** A number in [0, 1). */
  random(): number;
}

export interface Timer {
  cancel(): void;
}
