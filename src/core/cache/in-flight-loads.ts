import type { AwaitedLoad, CallingLoad, LoadTurn } from './load-bulkhead.js';
import type { TagVersion } from '../ports/entry-format.js';
import { LoadControl } from './current-load.js';

export interface LoadResult {
  readonly value: unknown;
  /** Calls with this or a later sequence number may return the value without validation by the store. */
  readonly validFrom: number;
  /** When the load started, by this process' clock. */
  readonly loadedAt: number;
  /** The tags that the value depends on, with their nonces; undefined if they are not known. */
  readonly tags: readonly TagVersion[] | undefined;
}

/** Most loads have none, and share this list. */
const NO_CALLERS: CallingLoad[] = [];

/** A load of a key in this process. Several calls may share it. @see G5 */
export class InFlightLoad implements AwaitedLoad {
  readonly key: string;
  /** The tags that the load depends on; undefined if they are known only from its result. */
  readonly tags: readonly string[] | undefined;
  /** Resolves when the loader has returned, before the value is stored. Rejects with the error of the loader. */
  readonly result: Promise<LoadResult>;
  /**
   * Resolves when the write has ended: with the sequence number at which the store confirmed the value as valid, or with
   * NOT_VALIDATED. Never rejects.
   */
  readonly validated: Promise<number>;
  /** True after an invalidation of this process that covers the load: no call may join it, and it is not stored. */
  isDetached = false;
  /** What its loader decides about the entry. */
  readonly control: LoadControl;
  /** Its turn in the bulkheads that bound it; undefined if none does. */
  turn: LoadTurn | undefined;
  /** When the loader was called, by this process' clock; undefined while the load waits for its turn or its lease. */
  loaderStartedAt: number | undefined;
  /** How long the load has waited for the store so far, in ms. `storeTimeout` limits the sum. */
  storeTimeSpent = 0;
  /** True if it runs while a write that may change its value does: its value is kept nowhere. */
  isInDoubt = false;
  /** True if its calls may return stale values after it has failed: nothing has invalidated them. */
  permitsStale = false;
  /** True if it did not call the loader, because a load of another process has failed lately. */
  isBackedOff = false;
  /** True if its value is wanted also when no call waits for it: a refresh, or a call has returned a stale value. */
  isInBackground = false;
  /** The keys of the refresh that has started it; undefined if no refresh has. */
  refreshed: ReadonlySet<string> | undefined;
  #waiting = 0;
  #controller: AbortController | undefined;
  #abortReason: { readonly reason: unknown } | undefined;
  resolve!: (result: LoadResult) => void;
  reject!: (error: unknown) => void;
  settleValidation!: (validFrom: number) => void;
  #callers: CallingLoad[] = NO_CALLERS;

  /**
   * @param stale the value that it is to replace, if calls may still return that
   * @param hasResultTags whether the loader may set tags
   */
  constructor(
    key: string,
    tags: readonly string[] | undefined,
    stale?: { readonly value: unknown },
    hasResultTags = false,
  ) {
    this.key = key;
    this.tags = tags;
    this.control = new LoadControl({ key, signal: () => this.signal, stale, hasResultTags });
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // The call that started this load may have returned another load's result, so a rejection may have no handler.
    this.result.catch(() => {});
    this.validated = new Promise((resolve) => (this.settleValidation = resolve));
  }

  /** The running loads whose calls wait for this one: such a call has started it, or has joined it. */
  get callers(): readonly CallingLoad[] {
    return this.#callers;
  }

  /** Aborts when no call waits for the load any more. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason.reason);
    return this.#controller.signal;
  }

  /**
   * True if a call that refreshes may join it: no stored value can be its result, and its loader has not been called before
   * the refresh began.
   * @param refreshed the keys of that refresh
   */
  mayRefresh(refreshed: ReadonlySet<string>): boolean {
    if (this.refreshed === undefined) return false;
    // guard: refresh-joins-no-load-that-runs
    return this.refreshed === refreshed || this.loaderStartedAt === undefined;
  }

  get isAwaited(): boolean {
    return this.#waiting > 0;
  }

  /** A call begins to wait for the load. */
  join(): void {
    this.#waiting += 1;
  }

  /**
   * A call has stopped waiting.
   * @param reason why it has left before the load has ended; undefined: the load has ended
   * @returns true if nobody wants the value any more: the load is aborted
   */
  leave(reason?: { readonly cause: unknown }): boolean {
    this.#waiting -= 1;
    // guard: load-with-callers-is-not-aborted
    if (reason === undefined || this.#waiting > 0 || this.isInBackground) return false;
    this.abort(reason.cause);
    return true;
  }

  abort(reason: unknown): void {
    this.#abortReason ??= { reason };
    this.#controller?.abort(reason);
  }

  addCaller(caller: CallingLoad): void {
    if (this.#callers === NO_CALLERS) this.#callers = [caller];
    else if (this.#callers.at(-1) !== caller) this.#callers.push(caller);
  }
}

/** The loads in progress in this process, at most one for each key. */
export class InFlightLoads {
  readonly #loads = new Map<string, InFlightLoad>();

  get(key: string): InFlightLoad | undefined {
    return this.#loads.get(key);
  }

  add(load: InFlightLoad): void {
    this.#loads.set(load.key, load);
  }

  /** Removes a load, so that no later call joins it. Does nothing if another load of the key has replaced it. */
  remove(load: InFlightLoad): void {
    // guard: load-removes-itself-only
    if (this.#loads.get(load.key) === load) this.#loads.delete(load.key);
  }

  /** Removes and marks the loads that an invalidation covers. Loads with unknown tags count as covered by every tag. */
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

  /** @internal for tests */
  get size(): number {
    return this.#loads.size;
  }

  #detach(load: InFlightLoad | undefined): void {
    if (load === undefined) return;
    load.isDetached = true;
    this.#loads.delete(load.key);
  }
}
