import { AsyncLocalStorage } from 'node:async_hooks';
import { shared } from '../shared/registry.js';
import type { InvalidationTarget } from './pending-invalidations.js';
import { longerWait, type ReplicaWait } from './wait-replicas.js';

/** What an invalidation does beside invalidating. */
export interface InvalidationExtras {
  /** When it is sent a second time, in ms; undefined: never. */
  readonly repeatAfter?: number | undefined;
  /** How many replicas of the store it waits for; undefined: it does not. */
  readonly wait?: ReplicaWait | undefined;
}

/** A scope and the one around it, which may be of another `Caching`. */
interface EnteredScope {
  readonly scope: TransactionScope;
  readonly outer: EnteredScope | undefined;
}

const state = shared('transactions', () => ({
  storage: new AsyncLocalStorage<EnteredScope>(),
  /** The number of open scopes. While there is none, calls skip the lookup in `storage`. */
  open: 0,
}));

/** The open transaction that makes the current call. Of nested ones the innermost, those of other `Caching` left out. */
export function currentTransaction(engine: object): TransactionScope | undefined {
  if (state.open === 0) return undefined;
  let entered = state.storage.getStore();
  // guard: transaction-is-of-this-caching
  // guard: ended-transaction-defers-nothing
  while (entered !== undefined && !(entered.scope.engine === engine && entered.scope.isOpen)) {
    entered = entered.outer;
  }
  return entered?.scope;
}

/** The mark of a write in the transaction (write-mark.ts), which stands until the transaction ends. */
export interface HeldMark {
  /** The transaction has committed, and its invalidation was sent. Never rejects. */
  settle(): Promise<void>;
  /** The transaction was rolled back. Never rejects. */
  lift(): Promise<void>;
}

/** What a database transaction has invalidated, until it ends. */
export class TransactionScope {
  readonly #keys = new Set<string>();
  readonly #tags = new Set<string>();
  #all = false;
  #repeatAfter: number | undefined;
  #wait: ReplicaWait | undefined;
  #isOpen = true;
  readonly marks: HeldMark[] = [];

  /**
   * @param engine the engine of the `Caching`
   * @param parent the transaction of which this one is a part (a savepoint)
   */
  constructor(
    readonly engine: object,
    readonly parent: TransactionScope | undefined,
  ) {
    state.open++;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get target(): InvalidationTarget {
    return { keys: [...this.#keys], tags: [...this.#tags], all: this.#all };
  }

  get isEmpty(): boolean {
    return !this.#all && this.#keys.size + this.#tags.size === 0;
  }

  /** The longest of the delays, and the most replicas, that were asked for. */
  get extras(): InvalidationExtras {
    return { repeatAfter: this.#repeatAfter, wait: this.#wait };
  }

  run<T>(work: () => T): T {
    return state.storage.run({ scope: this, outer: state.storage.getStore() }, work);
  }

  add({ keys, tags, all }: InvalidationTarget, { repeatAfter, wait }: InvalidationExtras = {}): void {
    for (const key of keys) this.#keys.add(key);
    for (const tag of tags) this.#tags.add(tag);
    this.#all ||= all;
    if (repeatAfter !== undefined) this.#repeatAfter = Math.max(repeatAfter, this.#repeatAfter ?? 0);
    // guard: commit-waits-for-what-its-invalidations-ask
    this.#wait = longerWait(this.#wait, wait);
  }

  hold(mark: HeldMark): void {
    this.marks.push(mark);
  }

  /** True if this transaction, or one of which it is a part, has invalidated the key, one of the tags, or everything. */
  covers(key: string, tags: readonly string[]): boolean {
    return (
      this.#all ||
      this.#keys.has(key) ||
      tags.some((tag) => this.#tags.has(tag)) ||
      // guard: savepoint-sees-what-its-transaction-has-invalidated
      this.parent?.covers(key, tags) === true
    );
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    state.open--;
    // Until Node.js 24, a storage in use makes every promise of the process slower.
    if (state.open === 0) state.storage.disable();
  }
}
