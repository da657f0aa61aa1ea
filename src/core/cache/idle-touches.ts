import type { Clock } from '../ports/clock.js';
import type { EntryStore } from '../ports/entry-store.js';
import type { StoreKeys } from '../keys/store-keys.js';
import type { EventPublisher, EventSubject } from '../shared/event-publisher.js';
import { TtlCache } from '../shared/ttl-cache.js';

/** An entry is touched once in this part of its idle time, by each process that reads it. */
const TOUCH_EVERY = 1 / 4;
/** Of how many entries a process knows when it touched them. One that it has forgotten is touched again. */
const MAX_ENTRIES = 10_000;

/**
 * Keeps entries with an `idleTtl` alive while they are read: a read touches the entry in the store, in the background.
 *
 * A touch that fails, or is lost, is not repeated: the next one is due a quarter of the idle time later. So an entry may end
 * early, and never after its ttl, which the store adheres to.
 *
 * @see G6
 */
export class IdleTouches {
  readonly #store: Pick<EntryStore, 'touch'>;
  readonly #names: StoreKeys;
  readonly #events: EventPublisher;
  readonly #clock: Clock;
  /** By the token of an entry: until when it needs no touch, by this process' clock. */
  readonly #due: TtlCache<number>;

  constructor(store: Pick<EntryStore, 'touch'>, names: StoreKeys, events: EventPublisher, clock: Clock) {
    this.#store = store;
    this.#names = names;
    this.#events = events;
    this.#clock = clock;
    this.#due = new TtlCache(clock, MAX_ENTRIES);
  }

  /**
   * A call has got an entry from the store.
   * @returns until when it needs no touch, by this process' clock: the L1 must not hold it for longer
   */
  read(subject: EventSubject, token: string, idleTtl: number): number {
    const known = this.#due.get(token);
    // guard: entry-is-touched-once-a-quarter
    if (known !== undefined) return known;
    this.#store.touch(this.#names.entry(subject.key), token).catch((error: unknown) => {
      this.#events.error('touch', subject, error);
    });
    return this.stored(token, idleTtl);
  }

  /** This process has stored an entry. @returns as `read` */
  stored(token: string, idleTtl: number): number {
    const quarter = idleTtl * TOUCH_EVERY;
    const dueAt = this.#clock.now() + quarter;
    this.#due.set(token, dueAt, quarter);
    return dueAt;
  }
}
