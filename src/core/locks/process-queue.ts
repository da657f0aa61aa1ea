/**
 * Callers of this process that want the same lock, in the order in which they came: only the first of them ask the
 * store, so that the store has one waiter for each process and not one for each call.
 */
export class ProcessQueues<Refusal> {
  readonly #queues = new Map<string, ProcessQueue<Refusal>>();

  /**
   * @param concurrency how many callers may ask the store at once
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

class ProcessQueue<Refusal> {
  refusal: Refusal | undefined;
  readonly #entries: QueueEntry<Refusal>[] = [];
  readonly #onEmpty: () => void;

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  enter(concurrency: number, onTurn: (acquired: boolean) => void): QueueEntry<Refusal> {
    const entry = new QueueEntry(this, this.#entries.length < concurrency, onTurn);
    this.#entries.push(entry);
    return entry;
  }

  leave(entry: QueueEntry<Refusal>, acquired: boolean): void {
    const at = this.#entries.indexOf(entry);
    if (at < 0) return;
    this.#entries.splice(at, 1);
    if (this.#entries.length === 0) this.#onEmpty();
    else if (entry.isFirst) this.#entries.find(({ isFirst }) => !isFirst)?.promote(acquired);
  }
}

/** One caller in a queue. */
export class QueueEntry<Refusal> {
  readonly #queue: ProcessQueue<Refusal>;
  readonly #onTurn: (acquired: boolean) => void;
  #isFirst: boolean;

  constructor(queue: ProcessQueue<Refusal>, isFirst: boolean, onTurn: (acquired: boolean) => void) {
    this.#queue = queue;
    this.#isFirst = isFirst;
    this.#onTurn = onTurn;
  }

  /** True: this caller may ask the store. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  /** The last refusal that a caller of the queue got. */
  get refusal(): Refusal | undefined {
    return this.#queue.refusal;
  }

  set refusal(refusal: Refusal | undefined) {
    this.#queue.refusal = refusal;
  }

  promote(acquired: boolean): void {
    this.#isFirst = true;
    this.#onTurn(acquired);
  }

  /**
   * Lets the next caller ask. Idempotent.
   * @param acquired the leaving caller got the lock
   */
  leave(acquired: boolean): void {
    this.#queue.leave(this, acquired);
  }
}

/** For a caller that needs no queue. */
export function unqueuedEntry<Refusal>(): QueueEntry<Refusal> {
  return new ProcessQueue<Refusal>(() => {}).enter(1, () => {});
}
