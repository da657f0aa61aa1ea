import type { Clock, Timer } from '../ports/clock.js';
import { quote } from '../shared/describe.js';
import { LoadShedError } from '../shared/errors.js';
import type { EventPublisher, EventSubject } from '../shared/event-publisher.js';
import { LinkedSet, type Linked } from '../shared/linked-set.js';

/** A load of this process, and the running loads whose calls wait for it. */
export interface AwaitedLoad {
  /** Undefined if no bulkhead bounds the load. */
  readonly turn: LoadTurn | undefined;
  readonly callers: readonly CallingLoad[];
}

/** A load whose loader has been called. */
export interface CallingLoad {
  readonly load?: AwaitedLoad | undefined;
  /** False once the loader has returned. */
  readonly isActive: boolean;
}

/** The turns that wait, in all bulkheads of this process. */
const waitingTurns = new Set<LoadTurn>();
let lastOrder = 0;

/**
 * Bounds the loads that run at the same time: of one decorated method (its `parent` bounds all loads of the Caching, if
 * it has a bound), or of a Caching. Turns are given in the order of the requests.
 *
 * No deadlock is possible, because a load that has a turn waits for no other load's turn:
 * - A load takes its turns in both bulkheads at once, and holds none while it waits.
 * - A load that another load waits for counts in the turns of that one, and needs only those that are missing.
 * - It waits only if the loads that wait for it have no turn but that of the Caching, and then before all others. No
 *   turn of a method is held by a load that waits.
 */
export class LoadBulkhead {
  readonly limit: number;
  /** This bulkhead, and its parent if it has one. */
  readonly path: readonly LoadBulkhead[];
  readonly #root: LoadBulkhead;
  #running = 0;
  /** Waiting loads that no other load waits for. */
  readonly #queue = new LinkedSet<LoadTurn>();
  /** Waiting loads that a load with a turn of the parent waits for. */
  readonly #nested = new LinkedSet<LoadTurn>();
  /** The children in which loads wait. */
  readonly #queuedChildren = new Set<LoadBulkhead>();

  constructor(limit: number, parent?: LoadBulkhead) {
    this.limit = limit;
    this.path = parent === undefined ? [this] : [this, parent];
    this.#root = parent ?? this;
  }

  get hasRoom(): boolean {
    return this.#running < this.limit;
  }

  enter(): void {
    this.#running++;
  }

  leave(): void {
    this.#running--;
  }

  enqueue(turn: LoadTurn, isNested: boolean): void {
    (isNested ? this.#nested : this.#queue).add(turn);
    if (this.#root !== this) this.#root.#queuedChildren.add(this);
  }

  dequeue(turn: LoadTurn, isNested: boolean): void {
    (isNested ? this.#nested : this.#queue).delete(turn);
    if (this.#nested.oldest === undefined && this.#queue.oldest === undefined) {
      this.#root.#queuedChildren.delete(this);
    }
  }

  /** Starts the waiting loads for which there is room now. */
  startWaiting(): void {
    const root = this.#root;
    for (const child of root.#queuedChildren) {
      // guard: nested-loads-go-first
      while (child.hasRoom && child.#nested.oldest !== undefined) child.#nested.oldest.start();
    }
    while (root.hasRoom) {
      const next = root.#longestWaiting();
      if (next === undefined) return;
      next.start();
    }
  }

  /** Of the loads that could start now, were there room in this bulkhead, the one that has waited longest. */
  #longestWaiting(): LoadTurn | undefined {
    let longest = this.#queue.oldest;
    for (const child of this.#queuedChildren) {
      const first = child.hasRoom ? child.#queue.oldest : undefined;
      // guard: oldest-load-of-all-methods-is-next
      if (first !== undefined && (longest === undefined || first.order < longest.order)) longest = first;
    }
    return longest;
  }
}

export interface LoadTurnSetup {
  readonly bulkhead: LoadBulkhead;
  readonly load: AwaitedLoad;
  readonly subject: EventSubject;
  /** How long the load may wait for its turns in all, in ms. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly events: EventPublisher;
}

/** The turn of one load: its place in the bulkheads, or in a queue. A load that has given it back may take it again. */
export class LoadTurn implements Linked<LoadTurn> {
  isLinked = false;
  before: LoadTurn | undefined;
  after: LoadTurn | undefined;
  /** Turns that were requested later have a higher one. */
  readonly order = ++lastOrder;
  readonly #setup: LoadTurnSetup;
  #isTaken = false;
  /** The bulkheads in which this turn counts: none if the load runs within the turns of others. */
  #counted: readonly LoadBulkhead[] = [];
  /** What this turn waits for; undefined if it does not wait. */
  #missing: readonly LoadBulkhead[] | undefined;
  #settle: { resolve(): void; reject(error: LoadShedError): void } | undefined;
  #timer: Timer | undefined;
  #waitsSince = 0;
  #waitedMs = 0;

  constructor(setup: LoadTurnSetup) {
    this.#setup = setup;
  }

  get counted(): readonly LoadBulkhead[] {
    return this.#counted;
  }

  /** How long the load has waited for its turn, in ms, over all its waits. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Takes the turn if the load need not wait for it. Returns true if the load has it. */
  tryTake(): boolean {
    if (this.#isTaken) return true;
    const { missing, mayWait } = this.#requirement();
    // guard: loads-are-bounded
    // guard: load-with-a-turn-does-not-wait
    if (mayWait && !missing.every(({ hasRoom }) => hasRoom)) return false;
    this.#take(missing);
    return true;
  }

  /**
   * Waits for the turn, after `tryTake` has returned false.
   * @throws LoadShedError if it does not come in time
   */
  async wait(): Promise<void> {
    const { clock, timeout } = this.#setup;
    // guard: waits-of-a-load-are-one
    const remainingMs = timeout - this.#waitedMs;
    if (remainingMs <= 0) throw this.#shed();
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#waitsSince = clock.now();
      this.#timer = clock.after(remainingMs, () => {
        // guard: shed-load-leaves-the-queue
        this.#endWait();
        reject(this.#shed());
      });
      waitingTurns.add(this);
      this.#enqueue(this.#requirement().missing);
    });
  }

  /** Ends the wait, because there is room now or the load need not wait any more. For `LoadBulkhead`. */
  start(): void {
    const missing = this.#missing!;
    const { resolve } = this.#settle!;
    this.#endWait();
    this.#take(missing);
    resolve();
  }

  /** Looks again at what a waiting load needs, after a running load has joined it or a load that it belongs to. */
  reconsider(): void {
    if (this.#setup.load.callers.length === 0) return;
    const { missing, mayWait } = this.#requirement();
    if (missing.length !== this.#missing!.length) {
      this.#dequeue();
      this.#enqueue(missing);
    }
    if (!mayWait || missing.every(({ hasRoom }) => hasRoom)) this.start();
  }

  /** Gives the turn back when the loader counts as hung. It may never return, and would hold the turn forever. */
  giveBackAfter(ms: number): void {
    // guard: hung-loader-gives-its-turn-back
    if (this.#counted.length > 0) this.#timer = this.#setup.clock.after(ms, () => this.giveBack());
  }

  /** Idempotent. */
  giveBack(): void {
    this.#timer?.cancel();
    if (!this.#isTaken) return;
    this.#isTaken = false;
    const counted = this.#counted;
    this.#counted = [];
    for (const bulkhead of counted) bulkhead.leave();
    this.#setup.bulkhead.startWaiting();
  }

  #take(missing: readonly LoadBulkhead[]): void {
    this.#isTaken = true;
    this.#counted = missing;
    for (const bulkhead of missing) bulkhead.enter();
  }

  /** The bulkheads in which the load needs a turn of its own, and whether it may wait for one without a deadlock. */
  #requirement(): { readonly missing: readonly LoadBulkhead[]; readonly mayWait: boolean } {
    const { bulkhead, load } = this.#setup;
    const { path } = bulkhead;
    if (load.callers.length === 0) return { missing: path, mayWait: true };
    const held = turnsOfCallers(load);
    return {
      // guard: nested-load-runs-in-the-turn-of-its-caller
      missing: path.filter((one) => !held.has(one)),
      mayWait: [...held].every((one) => one === path[1]),
    };
  }

  #enqueue(missing: readonly LoadBulkhead[]): void {
    const { bulkhead } = this.#setup;
    this.#missing = missing;
    bulkhead.enqueue(this, missing.length < bulkhead.path.length);
  }

  #dequeue(): void {
    const { bulkhead } = this.#setup;
    bulkhead.dequeue(this, this.#missing!.length < bulkhead.path.length);
    this.#missing = undefined;
  }

  #endWait(): void {
    this.#dequeue();
    waitingTurns.delete(this);
    this.#timer?.cancel();
    this.#settle = undefined;
    this.#waitedMs += this.#setup.clock.now() - this.#waitsSince;
  }

  #shed(): LoadShedError {
    const { bulkhead, events, subject } = this.#setup;
    const { limit } = bulkhead.path.find(({ hasRoom }) => !hasRoom) ?? bulkhead;
    const { key } = subject;
    const method = subject.method?.();
    const waitedMs = this.#waitedMs;
    events.publish('loadShed', subject.method, { key, limit, waitedMs });
    return new LoadShedError(
      `${quote(key)}${method === undefined ? '' : ` (${method})`} was not loaded: ${limit} loads may run at the same time ` +
        `(maxConcurrentLoads), and its turn did not come within ${waitedMs} ms (loadQueueTimeout). Try again later, or raise ` +
        'one of the two if what is loaded from can take more.',
      key,
      method,
      limit,
      waitedMs,
    );
  }
}

/** Starts the waiting loads that must not wait any more because a running load has joined the load they belong to. */
export function reconsiderWaitingTurns(): void {
  for (const turn of waitingTurns) turn.reconsider();
}

/** The bulkheads in which the running loads that wait for a load have a turn, directly or through other loads. */
function turnsOfCallers(load: AwaitedLoad): ReadonlySet<LoadBulkhead> {
  const held = new Set<LoadBulkhead>();
  // A Set, because loads of several keys may wait for each other (docs/stampede.md).
  const waiting = new Set([load]);
  // Loads that are added during the iteration are visited too.
  for (const one of waiting) {
    for (const { isActive, load: caller } of one.callers) {
      // guard: ended-load-lends-no-turn
      if (caller === undefined || !isActive) continue;
      for (const bulkhead of caller.turn?.counted ?? []) held.add(bulkhead);
      // guard: turns-are-lent-through-other-loads
      waiting.add(caller);
    }
  }
  return held;
}
