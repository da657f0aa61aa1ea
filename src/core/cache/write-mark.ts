import type { Timer } from '../ports/clock.js';
import type { StoreUnavailableError } from '../shared/errors.js';
import type { MethodLabel } from '../shared/event-publisher.js';
import { newToken } from '../shared/token.js';
import { sendInvalidation, type CacheContext } from './cache-context.js';
import type { InvalidationTarget } from './pending-invalidations.js';

/**
 * The mark of one write, at the keys and nonces that it may change. While it stands, no process reads or stores a value there.
 * It is renewed while the write runs. If the process dies, it ends by itself, and what stood there with it.
 *
 * @see G12 in docs/coherence.md
 */
export class WriteMark {
  readonly token = newToken();
  readonly #context: CacheContext;
  readonly #target: InvalidationTarget;
  readonly #entryKeys: readonly string[];
  readonly #nonceKeys: readonly string[];
  readonly #ms: number;
  #timer: Timer | undefined;
  #isEnded = false;

  /** @param ms how long the mark stands after its last renewal */
  constructor(context: CacheContext, target: InvalidationTarget, ms: number) {
    const { names } = context;
    this.#context = context;
    this.#target = target;
    this.#entryKeys = target.keys.map((key) => names.entry(key));
    this.#nonceKeys = target.all ? [...names.tags(target.tags), names.clear] : names.tags(target.tags);
    this.#ms = ms;
  }

  /**
   * Marks all keys and nonces, in one round trip, and keeps the mark until `lift` or `end`.
   * @returns the error of the store, which is published; undefined if all are marked
   */
  async set(method: MethodLabel | undefined): Promise<StoreUnavailableError | undefined> {
    const { events, l1, memo, outage } = this.#context;
    let failure: StoreUnavailableError | undefined;
    try {
      await this.#send('mark');
    } catch (error) {
      failure = events.unavailable('mark', { key: this.#target.keys[0], method }, error);
    }
    // What was read before the mark must not be returned while it stands.
    // guard: memory-has-nothing-under-a-mark
    l1?.invalidate(this.#target);
    outage.invalidate(this.#target);
    memo.invalidate(this.#target);
    this.#renewLater();
    return failure;
  }

  /** The invalidation of the write was sent without the mark, which ends now. */
  async settle(): Promise<void> {
    this.end();
    const { events, names, store } = this.#context;
    try {
      await sendInvalidation(store, names, this.#target, this.token);
    } catch (error) {
      events.unavailable('unmark', { key: this.#target.keys[0], method: undefined }, error);
    }
  }

  /** The write has failed: what stood before stands again. If the store does not answer, the mark ends by itself. */
  async lift(): Promise<void> {
    this.end();
    try {
      await this.#send('unmark');
    } catch (error) {
      this.#context.events.unavailable('unmark', { key: this.#target.keys[0], method: undefined }, error);
    }
  }

  /** Stops the renewals. */
  end(): void {
    this.#isEnded = true;
    this.#timer?.cancel();
  }

  #renewLater(): void {
    if (this.#isEnded) return;
    this.#timer = this.#context.clock.after(this.#ms / 3, () => {
      // guard: running-write-renews-its-mark
      this.#context.events.background(this.#send('mark'));
      this.#renewLater();
    });
  }

  async #send(verb: 'mark' | 'unmark'): Promise<void> {
    const { store } = this.#context;
    const send = (kind: 'entries' | 'nonces', keys: readonly string[]): Promise<void> => {
      if (keys.length === 0) return Promise.resolve();
      return verb === 'mark'
        ? store.mark(kind, keys, this.token, this.#ms)
        : store.unmark(kind, keys, this.token);
    };
    await Promise.all([send('entries', this.#entryKeys), send('nonces', this.#nonceKeys)]);
  }
}
