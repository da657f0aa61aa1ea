import type { Clock, Timer } from '../../../core/ports/clock.js';

interface ReleaseCount {
  /** Messages of each server. */
  readonly counts: number[];
  /** Releases that were passed on. */
  passed: number;
  readonly timer: Timer;
}

/** What has not been heard of a majority after so many ms is passed on all the same. */
const MAX_WAIT_MS = 20;

/**
 * Several servers tell of one release, each when it has heard of it. Whoever asks before a majority has would find the
 * lock held: he is woken when they have, and once.
 */
export class QuorumWakeups {
  readonly #clock: Clock;
  readonly #servers: number;
  readonly #majority: number;
  readonly #wake: (name: string) => void;
  readonly #heard = new Map<string, ReleaseCount>();

  constructor(clock: Clock, servers: number, majority: number, wake: (name: string) => void) {
    this.#clock = clock;
    this.#servers = servers;
    this.#majority = majority;
    this.#wake = wake;
  }

  received(server: number, name: string): void {
    const heard = this.#heard.get(name) ?? this.#begin(name);
    heard.counts[server]! += 1;
    const releases = [...heard.counts].sort((one, other) => other - one)[this.#majority - 1]!;
    if (releases <= heard.passed) return;
    heard.passed = releases;
    this.#wake(name);
  }

  close(): void {
    for (const { timer } of this.#heard.values()) timer.cancel();
    this.#heard.clear();
  }

  #begin(name: string): ReleaseCount {
    const timer = this.#clock.after(MAX_WAIT_MS, () => {
      this.#heard.delete(name);
      if (Math.max(...heard.counts) > heard.passed) this.#wake(name);
    });
    const heard: ReleaseCount = { counts: new Array<number>(this.#servers).fill(0), passed: 0, timer };
    this.#heard.set(name, heard);
    return heard;
  }
}
