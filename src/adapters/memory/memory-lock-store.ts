import { closedError, whileOpen } from './while-open.js';
import type { Clock } from '../../core/ports/clock.js';
import type { LockGrant, LockReply, LockRequest, LockStore } from '../../core/ports/lock-store.js';

/** Who holds a key. All holders ask for the same number of permits. */
interface Holding {
  readonly permits: number;
  /** By owner: when its lease ends. */
  readonly ends: Map<object, number>;
  /** Somebody without a ticket was refused, and waits for a message. */
  awaited: boolean;
}

/** It keeps new readers out. */
interface PendingWriter {
  readonly until: number;
  /** Some were, and wait for a message. */
  awaited: boolean;
}

/** Attempts between two looks for what processes that died have left. */
const SWEEP = 1_024;

/**
 * Locks in one process, with the semantics of one Redis: each verb runs to its end before another begins, which is
 * all the atomicity it needs. Nothing is evicted: a lock that is gone before its time would let two in.
 */
export class MemoryLockStore implements LockStore {
  readonly hasSingleAuthority = true;
  readonly #clock: Clock;
  readonly #wake: (name: string) => void;
  readonly #holdings = new Map<string, Holding>();
  /** Tickets in the order in which they came; each until when it keeps its place. */
  readonly #queues = new Map<string, Map<string, number>>();
  /** Of writers whom readers keep out. */
  readonly #pendingWriters = new Map<string, PendingWriter>();
  #lastFence = 0n;
  #attempts = 0;

  constructor(clock: Clock, wake: (name: string) => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  async acquire(request: LockRequest): Promise<LockReply> {
    if (++this.#attempts % SWEEP === 0) this.#sweep();
    const { keys, ticketMs } = request;
    const now = this.#clock.now();
    const turnIn = this.#enqueue(request, now);
    const forMs = Math.max(...keys.map((key) => this.#waitFor(key, request, now)));
    if (forMs === 0 && turnIn === 0) return { status: 'granted', grant: this.#grant(request, now) };
    if (ticketMs > 0) {
      for (const key of keys) this.#markAwaited(key, request, now);
    }
    return { status: 'held', forMs: forMs === 0 ? turnIn : forMs };
  }

  async abandon(request: LockRequest): Promise<void> {
    const { keys, permits, ticket } = request;
    const now = this.#clock.now();
    for (const key of keys) {
      if (ticket !== undefined) {
        const first = this.#head(key, now) === ticket;
        this.#leaveQueue(key, ticket);
        if (first && this.#live(key, now) === undefined) this.#wakeFor(key, now, false);
      }
      const wish = this.#pendingWriters.get(key);
      if (permits !== 1 || wish === undefined) continue;
      this.#pendingWriters.delete(key);
      this.#wakeFor(key, now, wish.awaited);
    }
  }

  #grant(request: LockRequest, now: number): LockGrant {
    const { keys, leaseMs, permits, ticket } = request;
    const owner = {};
    for (const key of keys) {
      let holding = this.#holdings.get(key);
      if (holding === undefined)
        this.#holdings.set(key, (holding = { permits, ends: new Map(), awaited: false }));
      if (permits === 1) {
        holding.awaited ||= this.#pendingWriters.get(key)?.awaited ?? false;
        this.#pendingWriters.delete(key);
      }
      holding.ends.set(owner, now + leaseMs);
      if (ticket === undefined) continue;
      this.#leaveQueue(key, ticket);
      // There may be room for the next one, too.
      if (permits > 1) this.#wakeFor(key, now, false);
    }
    return {
      fencingToken: permits === 1 ? this.#nextFence() : undefined,
      extend: async (ms) => this.#extend(keys, owner, ms),
      release: async () => this.#release(keys, owner),
    };
  }

  #extend(keys: readonly string[], owner: object, ms: number): 'extended' | 'lost' {
    const now = this.#clock.now();
    const holdings = keys.map((key) => this.#live(key, now));
    // guard: extend-by-owner-only-memory
    if (!holdings.every((holding) => holding?.ends.has(owner))) return 'lost';
    for (const holding of holdings) holding!.ends.set(owner, now + ms);
    return 'extended';
  }

  #release(keys: readonly string[], owner: object): void {
    const now = this.#clock.now();
    for (const key of keys) {
      const holding = this.#live(key, now);
      if (holding === undefined || !holding.ends.delete(owner)) continue;
      const left = holding.ends.size;
      if (left === 0) this.#holdings.delete(key);
      // A reader that goes makes no room while others stay.
      if (left === 0 || holding.permits !== Infinity) this.#wakeFor(key, now, holding.awaited);
    }
  }

  /** Grows across restarts, too, as long as the system's clock does not go back. */
  #nextFence(): bigint {
    const clock = BigInt(Date.now()) * 1_000n;
    return (this.#lastFence = clock > this.#lastFence ? clock : this.#lastFence + 1n);
  }

  /** The holders whose leases have not ended. */
  #live(key: string, now: number): Holding | undefined {
    const holding = this.#holdings.get(key);
    if (holding === undefined) return undefined;
    for (const [owner, end] of holding.ends) if (end <= now) holding.ends.delete(owner);
    if (holding.ends.size > 0) return holding;
    this.#holdings.delete(key);
    return undefined;
  }

  /** 0: there is room now. */
  #waitFor(key: string, request: LockRequest, now: number): number {
    const holding = this.#live(key, now);
    if (holding !== undefined) {
      const { ends, permits } = holding;
      // guard: holders-have-equal-permits-memory
      if (permits !== request.permits) return Math.max(...ends.values()) - now;
      if (ends.size >= permits) return Math.min(...ends.values()) - now;
    }
    if (request.permits === 1) return 0;
    // guard: waiting-writer-keeps-readers-out-memory
    return Math.max(0, (this.#pendingWriters.get(key)?.until ?? now) - now);
  }

  /** Who was refused is woken; a writer whom others than a writer keep out keeps new ones of them out. */
  #markAwaited(key: string, request: LockRequest, now: number): void {
    const holding = this.#holdings.get(key);
    const wish = this.#pendingWriters.get(key);
    if (request.ticket === undefined) {
      if (holding !== undefined) holding.awaited = true;
      if (wish !== undefined && request.permits > 1) wish.awaited = true;
    }
    if (request.permits > 1 || holding === undefined || holding.permits === 1) return;
    this.#pendingWriters.set(key, { until: now + request.ticketMs, awaited: wish?.awaited ?? false });
  }

  /** Takes or keeps the ticket's place. 0: it is its turn; else in how many ms at the latest it may be. */
  #enqueue({ keys, ticket, ticketMs }: LockRequest, now: number): number {
    if (ticket === undefined) return 0;
    const key = keys[0]!;
    const head = this.#head(key, now);
    const queue = this.#queues.get(key);
    if (ticketMs > 0) {
      const places = queue ?? new Map<string, number>();
      // A place that was lost is taken again at the end.
      if ((places.get(ticket) ?? now) <= now) places.delete(ticket);
      this.#queues.set(key, places.set(ticket, now + ticketMs));
    }
    // guard: head-of-the-queue-first-memory
    return head === undefined || head === ticket ? 0 : queue!.get(head)! - now;
  }

  /** The first in the queue who still asks. */
  #head(key: string, now: number): string | undefined {
    const queue = this.#queues.get(key);
    if (queue === undefined) return undefined;
    for (const [ticket, until] of queue) {
      if (until > now) return ticket;
      queue.delete(ticket);
    }
    this.#queues.delete(key);
    return undefined;
  }

  #leaveQueue(key: string, ticket: string): void {
    const queue = this.#queues.get(key);
    if (queue?.delete(ticket) && queue.size === 0) this.#queues.delete(key);
  }

  #wakeFor(key: string, now: number, others = true): void {
    const head = this.#head(key, now);
    if (head !== undefined) this.#wake(`${key}#${head}`);
    if (others) this.#wake(key);
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const key of this.#holdings.keys()) this.#live(key, now);
    for (const key of this.#queues.keys()) this.#head(key, now);
    for (const [key, { until }] of this.#pendingWriters) if (until <= now) this.#pendingWriters.delete(key);
  }
}

/** One opener's view: after its `close` the verbs fail, and those of the other openers go on. */
export function locksWhileOpen(store: LockStore, isClosed: () => boolean): LockStore {
  return {
    ...whileOpen(store, isClosed, ['abandon']),
    hasSingleAuthority: store.hasSingleAuthority,
    acquire: async (request) => {
      if (isClosed())
        return { status: 'unavailable', servers: [{ server: 'memory', answer: closedError() }] };
      const reply = await store.acquire(request);
      return reply.status === 'granted' ? { ...reply, grant: grantWhileOpen(reply.grant, isClosed) } : reply;
    },
  };
}

function grantWhileOpen(grant: LockGrant, isClosed: () => boolean): LockGrant {
  return {
    ...whileOpen(grant, isClosed, ['release']),
    fencingToken: grant.fencingToken,
    extend: async (leaseMs) => (isClosed() ? 'unavailable' : grant.extend(leaseMs)),
  };
}
