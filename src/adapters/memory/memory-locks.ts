import { StoreUnavailableError } from '../../core/errors.js';
import type { Clock, LockGrant, LockReply, LockRequest, LockStore } from '../../core/ports.js';

/** Who holds a key. All holders ask for the same number of permits. */
interface Holding {
  readonly permits: number;
  /** By owner: when its lease ends. */
  readonly ends: Map<object, number>;
  /** Somebody without a ticket was refused, and waits for a message. */
  awaited: boolean;
}

/** It keeps new readers out. */
interface Wish {
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
export class MemoryLocks implements LockStore {
  readonly single = true;
  readonly #clock: Clock;
  readonly #wake: (name: string) => void;
  readonly #holdings = new Map<string, Holding>();
  /** Tickets in the order in which they came; each until when it keeps its place. */
  readonly #queues = new Map<string, Map<string, number>>();
  /** Of writers whom readers keep out. */
  readonly #wishes = new Map<string, Wish>();
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
    const turnIn = this.#queue(request, now);
    const forMs = Math.max(...keys.map((key) => this.#roomIn(key, request, now)));
    if (forMs === 0 && turnIn === 0) return { status: 'granted', grant: this.#grant(request, now) };
    if (ticketMs > 0) {
      for (const key of keys) this.#await(key, request, now);
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
      const wish = this.#wishes.get(key);
      if (permits !== 1 || wish === undefined) continue;
      this.#wishes.delete(key);
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
        holding.awaited ||= this.#wishes.get(key)?.awaited ?? false;
        this.#wishes.delete(key);
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
  #roomIn(key: string, request: LockRequest, now: number): number {
    const holding = this.#live(key, now);
    if (holding !== undefined) {
      const { ends, permits } = holding;
      if (permits !== request.permits) return Math.max(...ends.values()) - now;
      if (ends.size >= permits) return Math.min(...ends.values()) - now;
    }
    if (request.permits === 1) return 0;
    return Math.max(0, (this.#wishes.get(key)?.until ?? now) - now);
  }

  /** Who was refused is woken; a writer whom others than a writer keep out keeps new ones of them out. */
  #await(key: string, request: LockRequest, now: number): void {
    const holding = this.#holdings.get(key);
    const wish = this.#wishes.get(key);
    if (request.ticket === undefined) {
      if (holding !== undefined) holding.awaited = true;
      if (wish !== undefined && request.permits > 1) wish.awaited = true;
    }
    if (request.permits > 1 || holding === undefined || holding.permits === 1) return;
    this.#wishes.set(key, { until: now + request.ticketMs, awaited: wish?.awaited ?? false });
  }

  /** Takes or keeps the ticket's place. 0: it is its turn; else in how many ms at the latest it may be. */
  #queue({ keys, ticket, ticketMs }: LockRequest, now: number): number {
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
    for (const [key, { until }] of this.#wishes) if (until <= now) this.#wishes.delete(key);
  }
}

/** One opener's view: after its `close` the verbs fail, and the others' go on. */
export function locksWhileOpen(store: LockStore, closed: () => boolean): LockStore {
  const refusal = (): StoreUnavailableError =>
    new StoreUnavailableError('This Caching is closed.', 'refused');
  return {
    single: store.single,
    acquire: async (request) => {
      if (closed()) return { status: 'unavailable', servers: [{ server: 'memory', answer: refusal() }] };
      const reply = await store.acquire(request);
      return reply.status === 'granted'
        ? { ...reply, grant: whileOpen(reply.grant, closed, refusal) }
        : reply;
    },
    abandon: async (request) => {
      if (closed()) throw refusal();
      await store.abandon(request);
    },
  };
}

function whileOpen(grant: LockGrant, closed: () => boolean, refusal: () => Error): LockGrant {
  return {
    fencingToken: grant.fencingToken,
    extend: async (leaseMs) => (closed() ? 'unavailable' : grant.extend(leaseMs)),
    release: async () => {
      if (closed()) throw refusal();
      await grant.release();
    },
  };
}
