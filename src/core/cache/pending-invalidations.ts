import { Backoff } from '../shared/backoff.js';
import type { Clock, Timer } from '../ports/clock.js';

/** What is to be invalidated, by logical names. */
export interface InvalidationTarget {
  readonly keys: readonly string[];
  readonly tags: readonly string[];
  /** The whole namespace. */
  readonly all: boolean;
}

const INITIAL_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

/**
 * Invalidations that the store could not take. Until a retry is acknowledged their keys and tags are marked
 * dirty: this process reads past the store for them, so that it never returns what it knows to be old. An
 * invalidation only removes, so repeating one, late or twice, costs at most a miss.
 *
 * Bounded: past `max` marks the whole namespace is dirty, and the retry clears it.
 */
export class PendingInvalidations {
  readonly #send: (target: InvalidationTarget) => Promise<void>;
  readonly #clock: Clock;
  readonly #max: number;
  /** Name to the version of its latest mark: a retry settles only what it was sent for. */
  readonly #keys = new Map<string, number>();
  readonly #tags = new Map<string, number>();
  #all = 0;
  #version = 0;
  readonly #pauses: Backoff;
  #timer: Timer | undefined;
  #retrying: Promise<boolean> | undefined;
  #closed = false;

  /** @param send settles when the store has acknowledged the target, rejects when it has not */
  constructor(send: (target: InvalidationTarget) => Promise<void>, clock: Clock, max = 10_000) {
    this.#send = send;
    this.#clock = clock;
    this.#max = max;
    this.#pauses = new Backoff(clock, INITIAL_RETRY_MS, MAX_RETRY_MS);
  }

  get isPending(): boolean {
    return this.#all !== 0 || this.#keys.size !== 0 || this.#tags.size !== 0;
  }

  /** Is there a mark on this key, on one of these tags, or on everything? */
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

  /** The store has replaced or removed this key by now: an older mark on it says nothing any more. */
  clearKey(key: string, upTo: number): void {
    const version = this.#keys.get(key);
    // guard: set-clears-nothing-newer
    if (version !== undefined && version <= upTo) this.#keys.delete(key);
  }

  /** Marks made from now on have a greater version. */
  get version(): number {
    return this.#version;
  }

  /** Sends all that is pending, now. True: nothing is pending any more. */
  retry(): Promise<boolean> {
    this.#retrying ??= this.#attempt().finally(() => {
      this.#retrying = undefined;
      if (this.isPending) this.#schedule();
    });
    return this.#retrying;
  }

  close(): void {
    this.#closed = true;
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
    if (this.#closed || this.#timer !== undefined || this.#retrying !== undefined) return;
    this.#timer = this.#clock.after(this.#pauses.next(), () => {
      this.#timer = undefined;
      void this.retry();
    });
  }
}
