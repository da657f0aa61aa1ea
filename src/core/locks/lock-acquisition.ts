import type { Refusal } from './acquire-errors.js';
import { Backoff } from '../shared/backoff.js';
import { StoreUnavailableError } from '../shared/errors.js';
import { leaseValidity } from './held-lease.js';
import type { Linked } from '../shared/linked-set.js';
import { onAbort } from '../shared/on-abort.js';
import type { Clock } from '../ports/clock.js';
import type { LockGrant, LockReply, LockRequest, LockStore } from '../ports/lock-store.js';
import { unqueuedEntry, type ProcessQueues, type QueueEntry } from './process-queue.js';
import type { EventPublisher } from '../shared/event-publisher.js';
import { Wakeup, type Wakeups } from '../shared/wakeups.js';

/** The state that the locks of one `Caching` share. */
export interface LockContext {
  readonly store: LockStore;
  readonly clock: Clock;
  readonly events: EventPublisher;
  readonly wakeups: Wakeups;
  readonly queues: ProcessQueues<Refusal>;
}

/** The request of one caller for a lock. */
export interface AcquireRequest<Held> {
  /** The logical keys. */
  readonly keys: readonly string[];
  /** Passed to the store at every attempt. */
  readonly request: LockRequest;
  /** How long to wait, in ms. 0: one attempt. */
  readonly wait: number;
  /** The timeout of one attempt, in ms. */
  readonly attemptTimeout: number;
  /** False: the wait ends when too few servers answer. */
  readonly retryWhenUnavailable: boolean;
  /** Ends the wait: the caller gets its reason as the error. */
  readonly signal: AbortSignal | undefined;
  /**
   * Turns a grant into the caller's lease synchronously, so that no abort or close can happen in between.
   * @param requestedAt when the attempt started, by this process' clock
   */
  createLease(grant: LockGrant, requestedAt: number): Held;
  /** Creates the error of a wait that has ended. @param last the last refusal of a call of this process, if there was one */
  error(last: Refusal | undefined): Error;
  /** Called when `ended` resolves, and never before the constructor has returned. */
  onEnd(): void;
}

const INITIAL_POLL_MS = 20;
const MAX_POLL_MS = 250;
/** How many callers of this process ask the store at the same time for a lock with several permits. */
const MAX_CONCURRENCY = 8;

/** Acquires a lock for one caller: makes attempts, each after a message or a poll, until one is granted or the wait ends. */
export class LockAcquisition<Held> implements Linked<LockAcquisition<Held>> {
  isLinked = false;
  before: LockAcquisition<Held> | undefined;
  after: LockAcquisition<Held> | undefined;
  /** Resolves with the lease. Rejects with the error of the request, the signal's reason, or the error of `stop`. */
  readonly acquired: Promise<Held>;
  /** Resolves when the wait has ended and its traces in the store are removed. Never rejects. */
  readonly ended: Promise<void>;
  readonly #context: LockContext;
  readonly #request: AcquireRequest<Held>;
  readonly #entry: QueueEntry<Refusal>;
  readonly #unlisten: (() => void) | undefined;
  readonly #wakeup: Wakeup;
  #disarm: (() => void) | undefined;
  #resolve!: (held: Held) => void;
  #reject!: (error: unknown) => void;
  #isSettled = false;
  #hasAsked = false;
  #skipAttempt = false;
  #lastRefusal: Refusal | undefined;

  constructor(context: LockContext, request: AcquireRequest<Held>) {
    this.#context = context;
    this.#request = request;
    this.acquired = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal } = request;
    this.#wakeup = new Wakeup(context.clock);
    this.#unlisten = signal === undefined ? undefined : onAbort(signal, () => this.stop(signal.reason));
    this.#entry = this.#enterQueue();
    this.ended = this.#run();
  }

  get keys(): readonly string[] {
    return this.#request.keys;
  }

  /** Ends the wait with an error, unless the lock is acquired. A later grant of the store is released. */
  stop(error: unknown): void {
    if (this.#isSettled) return;
    this.#settle(false);
    this.#reject(error);
    this.#wakeup.wake();
  }

  /** Enters the queue of this process. A fair lock has its queue in the store, and a single attempt needs none. */
  #enterQueue(): QueueEntry<Refusal> {
    const { request, wait } = this.#request;
    if (wait === 0 || request.ticket !== undefined) return unqueuedEntry();
    const name = `${request.permits} ${request.keys.join(' ')}`;
    const concurrency = Math.min(request.permits, MAX_CONCURRENCY);
    return this.#context.queues.enter(name, concurrency, (acquired) => {
      this.#arm();
      // The previous caller of this process holds it exclusively and will wake us: asking earlier is pointless.
      this.#skipAttempt = acquired && request.permits === 1;
      this.#wakeup.interrupt();
    });
  }

  /** Arms the wakeup of a caller that may ask the store, so that a release does not wake the whole queue. */
  #arm(): void {
    const { keys, ticket } = this.#request.request;
    this.#disarm ??= this.#context.wakeups.arm(
      ticket === undefined ? keys : [`${keys[0]!}#${ticket}`],
      this.#wakeup,
    );
  }

  async #run(): Promise<void> {
    try {
      await this.#attemptUntilSettled();
    } catch (error) {
      if (this.#isSettled) this.#context.events.error('lock', { key: this.keys[0] }, error);
      this.stop(error);
    } finally {
      this.#request.onEnd();
    }
  }

  async #attemptUntilSettled(): Promise<void> {
    const { clock } = this.#context;
    const endsAt = clock.now() + this.#request.wait;
    const polls = new Backoff(clock, INITIAL_POLL_MS, MAX_POLL_MS);
    let poll = polls.next();
    while (!this.#isSettled) {
      let pause = poll;
      if (!this.#entry.isFirst) {
        // Wait until the turn in the queue interrupts the pause.
        pause = Infinity;
      } else if (this.#skipAttempt) {
        this.#skipAttempt = false;
      } else {
        const refusal = await this.#attempt();
        if (refusal === undefined) return;
        this.#lastRefusal = refusal;
        if (this.#isSettled) break;
        this.#entry.refusal = refusal;
        if (refusal.status === 'held') pause = Math.min(pause, refusal.forMs + 1);
        if (refusal.status === 'unavailable' && !this.#request.retryWhenUnavailable) this.#refuse();
      }
      const remainingMs = endsAt - clock.now();
      if (remainingMs <= 0) this.#refuse();
      if (this.#isSettled) break;
      const isWoken = await this.#wakeup.within(Math.min(remainingMs, Math.max(1, pause)));
      if (!isWoken) poll = polls.next();
    }
    // guard: ended-wait-leaves-nothing-in-the-store
    await this.#abandon();
  }

  /** Makes one attempt. @returns undefined if the lock was acquired */
  async #attempt(): Promise<Refusal | undefined> {
    const { clock, store } = this.#context;
    const { attemptTimeout, request } = this.#request;
    // Arm before the request, so that a message between the reply and the pause is not missed.
    this.#arm();
    this.#wakeup.reset();
    this.#hasAsked = true;
    const requestedAt = clock.now();
    let reply: LockReply;
    try {
      reply = await store.acquire(request, attemptTimeout);
    } catch (error) {
      reply = unavailable(error);
    }
    if (reply.status !== 'granted') return reply;
    const { grant } = reply;
    const afterMs = clock.now() - requestedAt;
    // guard: late-grant-is-no-lock
    // guard: grant-after-an-abort-is-released
    if (!this.#isSettled && afterMs < leaseValidity(request.leaseMs)) {
      this.#settle(true);
      this.#resolve(this.#request.createLease(grant, requestedAt));
      return undefined;
    }
    // guard: late-grant-is-released-before-the-next-attempt
    await this.#release(grant);
    return { status: 'late', afterMs };
  }

  /** Releases a late grant before the next attempt, which would otherwise find the lock held by an abandoned owner. */
  async #release(grant: LockGrant): Promise<void> {
    const { events, wakeups } = this.#context;
    await grant.release().catch((error: unknown) => events.error('release', { key: this.keys[0] }, error));
    for (const key of this.#request.request.keys) wakeups.wake(key);
  }

  /** Removes what attempts may have left in the store: a queue ticket, or the claim of a waiting writer. */
  async #abandon(): Promise<void> {
    const { events, store } = this.#context;
    const { request } = this.#request;
    const isLeft =
      request.ticket !== undefined || (request.permits === 1 && this.#lastRefusal?.status === 'held');
    if (!this.#hasAsked || !isLeft || request.ticketMs === 0) return;
    await store
      .abandon(request)
      .catch((error: unknown) => events.error('lock', { key: this.keys[0] }, error));
  }

  #refuse(): void {
    this.stop(this.#request.error(this.#entry.refusal));
  }

  #settle(acquired: boolean): void {
    this.#isSettled = true;
    this.#unlisten?.();
    this.#disarm?.();
    this.#entry.leave(acquired);
  }
}

function unavailable(error: unknown): LockReply {
  if (!(error instanceof StoreUnavailableError)) throw error;
  return { status: 'unavailable', servers: [{ server: 'the store', answer: error }] };
}
