/**
 * Queues of the callers of this process that wait for the same lock, in order of arrival. Only the first ones ask the store,
 * so that the store has few waiters for each process and not one for each call.
 */
export class ProcessQueues<Refusal> {
  readonly #queues = new Map<string, ProcessQueue<Refusal>>();

  /**
   * Adds a caller to the queue of a name.
   *
   * @param concurrency how many callers may ask the store at the same time
   * @param onTurn called when this caller reaches the front (not if it starts there); `acquired`: whether the previous
   * caller got the lock
   */
  enter(name: string, concurrency: number, onTurn: (acquired: boolean) => void): QueueEntry<Refusal> {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new ProcessQueue(() => this.#queues.delete(name));
      this.#queues.set(name, queue);
    }
    return queue.enter(concurrency, onTurn);
  }
}

/** The queue of one name. */
class ProcessQueue<Refusal> {
  refusal: Refusal | undefined;
  readonly #entries: QueueEntry<Refusal>[] = [];
  readonly #onEmpty: () => void;

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  enter(concurrency: number, onTurn: (acquired: boolean) => void): QueueEntry<Refusal> {
    // guard: one-caller-of-a-process-asks
    const entry = new QueueEntry(this, this.#entries.length < concurrency, onTurn);
    this.#entries.push(entry);
    return entry;
  }

  leave(entry: QueueEntry<Refusal>, acquired: boolean): void {
    const index = this.#entries.indexOf(entry);
    if (index < 0) return;
    this.#entries.splice(index, 1);
    // guard: leaving-caller-promotes-the-next
    if (this.#entries.length === 0) this.#onEmpty();
    else if (entry.isFirst) this.#entries.find(({ isFirst }) => !isFirst)?.promote(acquired);
  }
}

/** The entry of one caller in a queue. */
export class QueueEntry<Refusal> {
  readonly #queue: ProcessQueue<Refusal>;
  readonly #onTurn: (acquired: boolean) => void;
  #isFirst: boolean;

  constructor(queue: ProcessQueue<Refusal>, isFirst: boolean, onTurn: (acquired: boolean) => void) {
    this.#queue = queue;
    this.#isFirst = isFirst;
    this.#onTurn = onTurn;
  }

  /** True if this caller may ask the store. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  /** The last refusal of a caller in the queue, shared by all of them. */
  get refusal(): Refusal | undefined {
    return this.#queue.refusal;
  }

  set refusal(refusal: Refusal | undefined) {
    this.#queue.refusal = refusal;
  }

  /** Lets this caller ask the store. */
  promote(acquired: boolean): void {
    this.#isFirst = true;
    this.#onTurn(acquired);
  }

  /**
   * Leaves the queue and lets the next caller ask. Idempotent.
   * @param acquired true if the leaving caller has acquired the lock
   */
  leave(acquired: boolean): void {
    this.#queue.leave(this, acquired);
  }
}

/** An entry of its own queue, for a caller that does not queue. */
export function unqueuedEntry<Refusal>(): QueueEntry<Refusal> {
  return new ProcessQueue<Refusal>(() => {}).enter(1, () => {});
}
