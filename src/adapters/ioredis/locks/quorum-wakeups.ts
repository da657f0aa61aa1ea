import type { Clock, Timer } from '../../../core/ports/clock.js';

/** The messages about one lock, within `MAX_WAIT_MS`. */
interface ReleaseCount {
  /** The number of messages by server. */
  readonly messages: number[];
  /** The number of releases for which waiters were woken. */
  woken: number;
  readonly timer: Timer;
}

/** After this time waiters are woken even if no majority has published the release. */
const MAX_WAIT_MS = 20;

/**
 * Each server publishes a release separately. This wakes the waiters once, when a majority has published it, because an
 * earlier attempt would find the lock held.
 */
export class QuorumWakeups {
  readonly #clock: Clock;
  readonly #servers: number;
  readonly #majority: number;
  readonly #wake: (name: string) => void;
  readonly #releases = new Map<string, ReleaseCount>();

  constructor(clock: Clock, servers: number, majority: number, wake: (name: string) => void) {
    this.#clock = clock;
    this.#servers = servers;
    this.#majority = majority;
    this.#wake = wake;
  }

  /** Called with every message of a server. */
  received(server: number, name: string): void {
    const count = this.#releases.get(name) ?? this.#startCount(name);
    count.messages[server]! += 1;
    // The number of releases that a majority has published.
    const releases = [...count.messages].sort((one, other) => other - one)[this.#majority - 1]!;
    if (releases <= count.woken) return;
    count.woken = releases;
    this.#wake(name);
  }

  close(): void {
    for (const { timer } of this.#releases.values()) timer.cancel();
    this.#releases.clear();
  }

  #startCount(name: string): ReleaseCount {
    const timer = this.#clock.after(MAX_WAIT_MS, () => {
      this.#releases.delete(name);
      if (Math.max(...count.messages) > count.woken) this.#wake(name);
    });
    const count: ReleaseCount = { messages: new Array<number>(this.#servers).fill(0), woken: 0, timer };
    this.#releases.set(name, count);
    return count;
  }
}
