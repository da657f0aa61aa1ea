import type { TagVersion } from '../ports/entry-format.js';

/** What this process knows about one nonce of the store. All entries in memory that carry the nonce share it. */
export interface NonceState {
  /** The current value; undefined if it may have changed. */
  value: string | undefined;
  /** The sequence number of the L1 at which it was learned. */
  learnedAt: number;
  /** The number of entries that carry it. */
  entries: number;
}

/** The nonces of the tags of the entries in memory. A tag that no entry has is forgotten. */
export class TagNonces {
  readonly #states = new Map<string, NonceState>();

  get(tag: string): NonceState | undefined {
    return this.#states.get(tag);
  }

  /** Returns the states of the tags of one more entry. */
  retain(tags: readonly TagVersion[]): readonly NonceState[] {
    return tags.length === 0 ? NONE : tags.map(({ tag }) => this.#retain(tag));
  }

  /** Releases the states of an entry that was dropped. */
  release(tags: readonly TagVersion[], states: readonly NonceState[]): void {
    for (let i = 0; i < states.length; i++) {
      // After `clear`, another state may have the tag.
      if (--states[i]!.entries === 0 && this.#states.get(tags[i]!.tag) === states[i]) {
        this.#states.delete(tags[i]!.tag);
      }
    }
  }

  clear(): void {
    this.#states.clear();
  }

  /** The number of tags. For tests. */
  get size(): number {
    return this.#states.size;
  }

  #retain(tag: string): NonceState {
    let state = this.#states.get(tag);
    if (state === undefined) {
      state = { value: undefined, learnedAt: 0, entries: 0 };
      this.#states.set(tag, state);
    }
    state.entries += 1;
    return state;
  }
}

const NONE: readonly NonceState[] = [];
