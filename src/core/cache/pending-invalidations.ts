import { Backoff } from '../shared/backoff.js';
import type { Clock, Timer } from '../ports/clock.js';

/** What an invalidation covers: logical keys, tags, or the namespace. */
export interface InvalidationTarget {
  readonly keys: readonly string[];
  readonly tags: readonly string[];
  /** True: all entries of the namespace. */
  readonly all: boolean;
}

const INITIAL_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

/**
 * Invalidations that wait for the store to answer. Until a retry is acknowledged, their keys and tags are marked, and this
 * process does not read marked entries, so it never returns a value that it has invalidated. An invalidation only removes
 * entries, so repeating one costs at most a miss.
 *
 * There are at most `max` marks. Beyond that one mark covers the whole namespace, and the retry clears it.
 *
 * @see G3
 */
export class PendingInvalidations {
  readonly #send: (target: InvalidationTarget) => Promise<void>;
  readonly #clock: Clock;
  readonly #max: number;
  /** Key to the version of its latest mark. A retry removes only the marks that existed when it was sent. */
  readonly #keys = new Map<string, number>();
  readonly #tags = new Map<string, number>();
  #all = 0;
  #version = 0;
  readonly #pauses: Backoff;
  #timer: Timer | undefined;
  #retrying: Promise<boolean> | undefined;
  #isClosed = false;

  /** @param send resolves when the store has acknowledged the invalidation, and rejects if it has not */
  constructor(send: (target: InvalidationTarget) => Promise<void>, clock: Clock, max = 10_000) {
    this.#send = send;
    this.#clock = clock;
    this.#max = max;
    this.#pauses = new Backoff(clock, INITIAL_RETRY_MS, MAX_RETRY_MS);
  }

  get isPending(): boolean {
    return this.#all !== 0 || this.#keys.size !== 0 || this.#tags.size !== 0;
  }

  /** True if the key, one of the tags, or the whole namespace is marked. */
  matches(key: string, tags: Iterable<string>): boolean {
    if (!this.isPending) return false;
    if (this.#all !== 0 || this.#keys.has(key)) return true;
    if (this.#tags.size !== 0) for (const tag of tags) if (this.#tags.has(tag)) return true;
    return false;
  }

  add(target: InvalidationTarget): void {
    const version = ++this.#version;
    if (target.all) this.#all = version;
    for (const key of target.keys) this.#keys.set(key, version);
    for (const tag of target.tags) this.#tags.set(tag, version);
    // guard: too-many-invalidations-are-a-clear
    if (this.#keys.size + this.#tags.size > this.#max) {
      this.#keys.clear();
      this.#tags.clear();
      this.#all = version;
    }
    this.#schedule();
  }

  /** Removes a mark up to this version: the store has since replaced or removed the key. */
  clearKey(key: string, upTo: number): void {
    const version = this.#keys.get(key);
    // guard: set-clears-nothing-newer
    if (version !== undefined && version <= upTo) this.#keys.delete(key);
  }

  /** The version of the latest mark. Later marks have a greater one. */
  get version(): number {
    return this.#version;
  }

  /** Sends all pending invalidations now. Returns true if none is pending afterwards. Never rejects. */
  retry(): Promise<boolean> {
    this.#retrying ??= this.#attempt().finally(() => {
      this.#retrying = undefined;
      if (this.isPending) this.#schedule();
    });
    return this.#retrying;
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  async #attempt(): Promise<boolean> {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (!this.isPending) return true;
    const upTo = this.#version;
    try {
      await this.#send({ keys: [...this.#keys.keys()], tags: [...this.#tags.keys()], all: this.#all !== 0 });
    } catch {
      return false;
    }
    this.#pauses.reset();
    // guard: retry-clears-no-newer-clear
    if (this.#all <= upTo) this.#all = 0;
    // guard: retry-clears-no-newer-key
    for (const [key, version] of this.#keys) if (version <= upTo) this.#keys.delete(key);
    for (const [tag, version] of this.#tags) if (version <= upTo) this.#tags.delete(tag);
    return !this.isPending;
  }

  #schedule(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#retrying !== undefined) return;
    this.#timer = this.#clock.after(this.#pauses.next(), () => {
      this.#timer = undefined;
      void this.retry();
    });
  }
}
