import type { Clock, Timer } from '../../../core/ports.js';

interface Heard {
  /** Messages of each server. */
  readonly counts: number[];
  /** Releases that were passed on. */
  passed: number;
  readonly timer: Timer;
}

/** What has not been heard of a majority after so many ms is passed on all the same. */
const PATIENCE = 20;

/**
 * Several servers tell of one release, each when it has heard of it. Whoever asks before a majority has would find the
 * lock held: he is woken when they have, and once.
 */
export class MajorityWakes {
  readonly #clock: Clock;
  readonly #servers: number;
  readonly #majority: number;
  readonly #wake: (name: string) => void;
  readonly #heard = new Map<string, Heard>();

  constructor(clock: Clock, servers: number, majority: number, wake: (name: string) => void) {
    this.#clock = clock;
    this.#servers = servers;
    this.#majority = majority;
    this.#wake = wake;
  }

  heard(server: number, name: string): void {
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

  #begin(name: string): Heard {
    const timer = this.#clock.after(PATIENCE, () => {
      this.#heard.delete(name);
      if (Math.max(...heard.counts) > heard.passed) this.#wake(name);
    });
    const heard: Heard = { counts: new Array<number>(this.#servers).fill(0), passed: 0, timer };
    this.#heard.set(name, heard);
    return heard;
  }
}
