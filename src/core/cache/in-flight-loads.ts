import type { TagVersion } from '../ports/entry-format.js';

export interface LoadResult {
  readonly value: unknown;
  /** The value is valid for calls from this sequence number on, without the store's validation. */
  readonly validFrom: number;
  /** This process' clock when the load began. */
  readonly loadedAt: number;
  /** The tags the value depends on, with their nonces; undefined if they could not be read. */
  readonly tags: readonly TagVersion[] | undefined;
}

/** One load of one key in this process, shared by all calls that may share it. */
export class InFlightLoad {
  readonly key: string;
  /** The tags it depends on; undefined: only its result tells. */
  readonly tags: readonly string[] | undefined;
  /** The result as soon as it is there; rejects with the error of the loader, for all who wait. */
  readonly result: Promise<LoadResult>;
  /**
   * Settles when the store has taken or refused the value: the sequence number from which on the value is known to have
   * been valid, or NOT_VALIDATED. Never rejects.
   */
  readonly validated: Promise<number>;
  /** An invalidation of this process came after its start: no call may join it, and nothing is stored. */
  isDetached = false;
  /** When the loader was called, by this process' clock; undefined while the load waits for its lease. */
  loaderStartedAt: number | undefined;
  /** How long the store has kept it waiting so far, in ms: `storeTimeout` bounds the sum. */
  storeTimeSpent = 0;
  resolve!: (result: LoadResult) => void;
  reject!: (error: unknown) => void;
  settleValidation!: (validFrom: number) => void;

  constructor(key: string, tags: readonly string[] | undefined) {
    this.key = key;
    this.tags = tags;
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // The call that began it may have taken the result of another load.
    this.result.catch(() => {});
    this.validated = new Promise((resolve) => (this.settleValidation = resolve));
  }
}

/** The loads under way in this process, one for each key. */
export class InFlightLoads {
  readonly #loads = new Map<string, InFlightLoad>();

  get(key: string): InFlightLoad | undefined {
    return this.#loads.get(key);
  }

  add(load: InFlightLoad): void {
    this.#loads.set(load.key, load);
  }

  /** No call joins it any more. Does nothing if another load has taken its place. */
  remove(load: InFlightLoad): void {
    // guard: load-removes-itself-only
    if (this.#loads.get(load.key) === load) this.#loads.delete(load.key);
  }

  /** For an invalidation: calls from now on join none of the loads it concerns. */
  detach(keys: readonly string[], tags: readonly string[], all: boolean): void {
    if (this.#loads.size === 0) return;
    if (all) {
      for (const load of this.#loads.values()) load.isDetached = true;
      this.#loads.clear();
      return;
    }
    for (const key of keys) this.#detach(this.#loads.get(key));
    if (tags.length === 0) return;
    const invalidated = new Set(tags);
    for (const load of this.#loads.values()) {
      if (load.tags === undefined || load.tags.some((tag) => invalidated.has(tag))) this.#detach(load);
    }
  }

  get size(): number {
    return this.#loads.size;
  }

  #detach(load: InFlightLoad | undefined): void {
    if (load === undefined) return;
    load.isDetached = true;
    this.#loads.delete(load.key);
  }
}
