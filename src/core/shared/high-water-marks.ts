import { LinkedSet, type Linked } from './linked-set.js';

interface Mark extends Linked<Mark> {
  readonly key: string;
  readonly startedAt: number;
}

/**
 * Monotonic reads: the earliest load start that an entry may have for this process to return it.
 *
 * Needed for loads that the store has no record of: they ran without a lease (the store was away, or another process held
 * the lease for longer than this one waited), or lost it. This process remembers when such a load started, and does not
 * return an entry whose load started earlier. Loads with a lease need no mark: the store refuses values of earlier loads.
 *
 * Times are of this process' clock. At most `max` keys have a mark; the oldest mark is forgotten first.
 */
export class HighWaterMarks {
  readonly #marks = new Map<string, Mark>();
  readonly #order = new LinkedSet<Mark>();
  readonly #max: number;

  constructor(max = 10_000) {
    this.#max = max;
  }

  /** No key has a mark: every entry is permitted. */
  get isEmpty(): boolean {
    return this.#marks.size === 0;
  }

  /** @returns the mark that there was, for `undo` */
  record(key: string, startedAt: number): number | undefined {
    const known = this.#marks.get(key);
    if (known !== undefined) {
      if (known.startedAt >= startedAt) return known.startedAt;
      this.#order.delete(known);
    } else if (this.#marks.size >= this.#max) {
      this.#delete(this.#order.oldest!);
    }
    this.#set(key, startedAt);
    return known?.startedAt;
  }

  /** Undoes a `record`, unless a later one has replaced it. */
  undo(key: string, startedAt: number, before: number | undefined): void {
    const mark = this.#marks.get(key);
    if (mark?.startedAt !== startedAt) return;
    this.#delete(mark);
    if (before !== undefined) this.#set(key, before);
  }

  /** @param startedAt when the load of the entry started, or earlier; undefined: unknown, so it is below every mark */
  permits(key: string, startedAt: number | undefined): boolean {
    const mark = this.#marks.get(key);
    // guard: unknown-load-start-is-below-every-mark
    return mark === undefined || (startedAt !== undefined && startedAt >= mark.startedAt);
  }

  #set(key: string, startedAt: number): void {
    const mark = { key, startedAt, isLinked: false, before: undefined, after: undefined };
    this.#marks.set(key, mark);
    this.#order.add(mark);
  }

  #delete(mark: Mark): void {
    this.#marks.delete(mark.key);
    this.#order.delete(mark);
  }
}
