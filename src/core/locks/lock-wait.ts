import { StoreUnavailableError } from '../errors.js';
import { placeOfOne, type LocalQueues, type Place } from './local-queues.js';
import { onAbort } from '../on-abort.js';
import type { Clock, LockGrant, LockReply, LockRequest, LockStore } from '../ports.js';
import type { Reporter } from '../reporter.js';
import { validity } from './validity.js';
import type { Waiters } from '../waiters.js';

/** What the locks of one `Caching` have in common. */
export interface LockWorkings {
  readonly store: LockStore;
  readonly clock: Clock;
  readonly reporter: Reporter;
  readonly waiters: Waiters;
  readonly queues: LocalQueues<Answer>;
}

/** Why an attempt did not get the lock. `late`: it was granted when its lease could not be proven any more. */
export type Answer =
  | Exclude<LockReply, { readonly status: 'granted' }>
  | { readonly status: 'late'; readonly afterMs: number };

/** What one caller wants. */
export interface LockWish<Held> {
  /** The logical keys. */
  readonly keys: readonly string[];
  /** The same object at every attempt. */
  readonly request: LockRequest;
  /** In ms; 0: one attempt. */
  readonly wait: number;
  /** The most that one attempt may take, in ms. */
  readonly budget: number;
  /** False: the wait ends when too few servers answer. */
  readonly insists: boolean;
  /** Ends the wait with its reason. */
  readonly signal: AbortSignal | undefined;
  /**
   * Makes of a grant what the caller gets, at once: neither an abort nor the end of the `Caching` comes between.
   * @param since when it was asked for, by our clock
   */
  hold(grant: LockGrant, since: number): Held;
  /** @param last the last answer that a caller of this process had; undefined: there was none yet */
  refusal(last: Answer | undefined): Error;
}

const FIRST_POLL = 20;
const LAST_POLL = 250;
/** Its turn wakes it; a timer of the whole wait might be longer than timers can be. */
const UNTIL_ITS_TURN = 3_600_000;
/** Callers of one process that ask at once for a lock that several may hold. */
const MOST_ASKERS = 8;

/** One caller's wait for a lock: attempts, woken by messages; one that was lost is made up by polling. */
export class LockWait<Held> {
  readonly #in: LockWorkings;
  readonly #wish: LockWish<Held>;
  readonly #place: Place<Answer>;
  readonly obtained: Promise<Held>;
  /** Resolves when the wait is over and nothing of it is left in the store. Never rejects. */
  readonly ended: Promise<void>;
  readonly #endListening: (() => void)[] = [];
  #resolve!: (held: Held) => void;
  #reject!: (error: unknown) => void;
  /** `obtained` is settled. */
  #over = false;
  #asked = false;
  #listens = false;
  #patient = false;
  #last: Answer | undefined;
  #nudged = false;
  #resume: (() => void) | undefined;

  constructor(shared: LockWorkings, wish: LockWish<Held>) {
    this.#in = shared;
    this.#wish = wish;
    this.obtained = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal } = wish;
    if (signal !== undefined) this.#endListening.push(onAbort(signal, () => this.stop(signal.reason)));
    this.#place = this.#enter();
    this.ended = this.#run();
  }

  get keys(): readonly string[] {
    return this.#wish.keys;
  }

  /** Ends the wait with this error, unless the lock is got: what the store still grants is given back. */
  stop(error: unknown): void {
    if (this.#over) return;
    this.#end(false);
    this.#reject(error);
    this.#nudge();
  }

  /** A fair lock has its queue in the store, and a single attempt needs none. */
  #enter(): Place<Answer> {
    const { request, wait } = this.#wish;
    if (wait === 0 || request.ticket !== undefined) return placeOfOne();
    const name = `${request.permits} ${request.keys.join(' ')}`;
    return this.#in.queues.enter(name, Math.min(request.permits, MOST_ASKERS), (taken) => this.#turn(taken));
  }

  async #run(): Promise<void> {
    try {
      await this.#ask();
    } catch (error) {
      if (this.#over) this.#in.reporter.error('lock', { key: this.keys[0] }, error);
      this.stop(error);
    }
  }

  async #ask(): Promise<void> {
    const { clock } = this.#in;
    const until = clock.now() + this.#wish.wait;
    let poll = FIRST_POLL;
    while (!this.#over) {
      let pause = poll * (0.75 + clock.random() / 2);
      if (!this.#place.first) {
        pause = UNTIL_ITS_TURN;
      } else if (this.#patient) {
        this.#patient = false;
      } else {
        const answer = await this.#attempt();
        if (answer === undefined) return;
        this.#last = answer;
        if (this.#over) break;
        this.#place.answer = answer;
        if (answer.status === 'held') pause = Math.min(pause, answer.forMs + 1);
        if (answer.status === 'unavailable' && !this.#wish.insists) this.#refuse();
      }
      const left = until - clock.now();
      if (left <= 0) this.#refuse();
      if (this.#over) break;
      const woken = await this.#pause(Math.min(left, Math.max(1, pause)));
      if (!woken) poll = Math.min(poll * 2, LAST_POLL);
    }
    await this.#abandon();
  }

  /** @returns undefined: the lock is its caller's */
  async #attempt(): Promise<Answer | undefined> {
    const { clock, store } = this.#in;
    const { budget, request } = this.#wish;
    // Before the store is asked, so that no wake falls between the answer and the pause.
    this.#listen();
    this.#asked = true;
    this.#nudged = false;
    const since = clock.now();
    const reply = await store.acquire(request, budget).catch(unavailable);
    if (reply.status !== 'granted') return reply;
    const { grant } = reply;
    const afterMs = clock.now() - since;
    if (!this.#over && afterMs < validity(request.leaseMs)) {
      this.#end(true);
      this.#resolve(this.#wish.hold(grant, since));
      return undefined;
    }
    await this.#giveBack(grant);
    return { status: 'late', afterMs };
  }

  /** At once, or the next attempt, of whomever, would find it held by nobody. */
  async #giveBack(grant: LockGrant): Promise<void> {
    const { reporter, waiters } = this.#in;
    const { keys } = this.#wish.request;
    await grant.release().catch((error: unknown) => reporter.error('release', { key: this.keys[0] }, error));
    for (const key of keys) waiters.wake(key);
  }

  /** Only what may have been left: a ticket, or the wish of a writer. */
  async #abandon(): Promise<void> {
    const { reporter, store } = this.#in;
    const { request } = this.#wish;
    const left = request.ticket !== undefined || (request.permits === 1 && this.#last?.status === 'held');
    if (!this.#asked || !left || request.ticketMs === 0) return;
    await store
      .abandon(request)
      .catch((error: unknown) => reporter.error('lock', { key: this.keys[0] }, error));
  }

  #refuse(): void {
    this.stop(this.#wish.refusal(this.#place.answer));
  }

  #end(taken: boolean): void {
    this.#over = true;
    for (const end of this.#endListening) end();
    this.#place.leave(taken);
  }

  /** Its turn in the queue of this process has come. */
  #turn(taken: boolean): void {
    this.#listen();
    // One of this process holds it alone: its end wakes, and until then the store would say no.
    this.#patient = taken && this.#wish.request.permits === 1;
    this.#resume?.();
  }

  #listen(): void {
    if (this.#listens) return;
    this.#listens = true;
    const { keys, ticket } = this.#wish.request;
    const names = ticket === undefined ? keys : [`${keys[0]!}#${ticket}`];
    for (const name of names) {
      this.#endListening.push(this.#in.waiters.listen(name, () => this.#nudge()));
    }
  }

  #nudge(): void {
    this.#nudged = true;
    this.#resume?.();
  }

  /** @returns it was cut short */
  async #pause(ms: number): Promise<boolean> {
    if (this.#nudged) return true;
    return new Promise((resolve) => {
      const resume = (woken: boolean): void => {
        this.#resume = undefined;
        resolve(woken);
      };
      const timer = this.#in.clock.after(ms, () => resume(false));
      this.#resume = () => {
        timer.cancel();
        resume(true);
      };
    });
  }
}

function unavailable(error: unknown): LockReply {
  if (!(error instanceof StoreUnavailableError)) throw error;
  return { status: 'unavailable', servers: [{ server: 'the store', answer: error }] };
}
