import { KeyedTable } from '../keyed-table.js';

/** Callers of this process that want the same: in the order they came, only so many of them ask the store. */
export class LocalQueues<Answer> {
  readonly #queues = new KeyedTable<Queue<Answer>>();

  /**
   * @param askers how many may have their turn at once
   * @param turn called when this caller's turn comes, with what the one before left by; not if it has come already
   */
  enter(name: string, askers: number, turn: (taken: boolean) => void): Place<Answer> {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new Queue(() => this.#queues.delete(name));
      this.#queues.add(name, queue);
    }
    return queue.enter(askers, turn);
  }
}

class Queue<Answer> {
  answer: Answer | undefined;
  readonly #places: Place<Answer>[] = [];
  readonly #emptied: () => void;

  constructor(emptied: () => void) {
    this.#emptied = emptied;
  }

  enter(askers: number, turn: (taken: boolean) => void): Place<Answer> {
    const place = new Place(this, this.#places.length < askers, turn);
    this.#places.push(place);
    return place;
  }

  leave(place: Place<Answer>, taken: boolean): void {
    const at = this.#places.indexOf(place);
    if (at < 0) return;
    this.#places.splice(at, 1);
    if (this.#places.length === 0) this.#emptied();
    else if (place.first) this.#places.find(({ first }) => !first)?.comeUp(taken);
  }
}

/** A caller's place in a queue of this process. */
export class Place<Answer> {
  readonly #queue: Queue<Answer>;
  readonly #turn: (taken: boolean) => void;
  #first: boolean;

  constructor(queue: Queue<Answer>, first: boolean, turn: (taken: boolean) => void) {
    this.#queue = queue;
    this.#first = first;
    this.#turn = turn;
  }

  /** It is this caller's turn. */
  get first(): boolean {
    return this.#first;
  }

  /** What the last of the queue who asked was answered. */
  get answer(): Answer | undefined {
    return this.#queue.answer;
  }

  set answer(answer: Answer | undefined) {
    this.#queue.answer = answer;
  }

  comeUp(taken: boolean): void {
    this.#first = true;
    this.#turn(taken);
  }

  /**
   * Lets the next one come up. Idempotent.
   * @param taken who leaves has got what all of them want
   */
  leave(taken: boolean): void {
    this.#queue.leave(this, taken);
  }
}

/** For whom there is no queue. */
export function placeOfOne<Answer>(): Place<Answer> {
  return new Queue<Answer>(() => {}).enter(1, () => {});
}
