import { closedError, whileOpen } from './while-open.js';
import type { Clock } from '../../core/ports/clock.js';
import type { LockGrant, LockReply, LockRequest, LockStore } from '../../core/ports/lock-store.js';

/** The holders of a key. All of them have the same number of permits. */
interface Holding {
  readonly permits: number;
  /** The end of the lease of each owner, by the clock. */
  readonly leaseEnds: Map<object, number>;
  /** A caller without a ticket was refused, and waits to be woken. */
  isAwaited: boolean;
}

/** A writer that waits for readers, and blocks new ones. */
interface PendingWriter {
  readonly until: number;
  /** A reader was refused because of it, and waits to be woken. */
  isAwaited: boolean;
}

/** The number of attempts after which expired holders, tickets and writers are removed. */
const SWEEP_INTERVAL = 1_024;

/**
 * Locks in this process, with the semantics of one Redis server. A verb runs synchronously, so it is atomic. Nothing is
 * evicted: an evicted lock would let a second caller in.
 *
 * @see G8 in docs/coherence.md
 */
export class MemoryLockStore implements LockStore {
  readonly hasSingleAuthority = true;
  readonly #clock: Clock;
  readonly #wake: (name: string) => void;
  readonly #holdings = new Map<string, Holding>();
  /** By key: the tickets in order of arrival, each with the time until which it is valid without a retry. */
  readonly #queues = new Map<string, Map<string, number>>();
  readonly #pendingWriters = new Map<string, PendingWriter>();
  #lastFence = 0n;
  #attempts = 0;

  constructor(clock: Clock, wake: (name: string) => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  async acquire(request: LockRequest): Promise<LockReply> {
    if (++this.#attempts % SWEEP_INTERVAL === 0) this.#sweep();
    const { keys, ticketMs } = request;
    const now = this.#clock.now();
    const turnInMs = this.#enqueue(request, now);
    const forMs = Math.max(...keys.map((key) => this.#heldForMs(key, request, now)));
    if (forMs === 0 && turnInMs === 0) return { status: 'granted', grant: this.#grant(request, now) };
    if (ticketMs > 0) {
      for (const key of keys) this.#markAwaited(key, request, now);
    }
    return { status: 'held', forMs: forMs === 0 ? turnInMs : forMs };
  }

  async abandon(request: LockRequest): Promise<void> {
    const { keys, permits, ticket } = request;
    const now = this.#clock.now();
    for (const key of keys) {
      if (ticket !== undefined) {
        const isFirst = this.#head(key, now) === ticket;
        this.#dequeue(key, ticket);
        if (isFirst && this.#current(key, now) === undefined) this.#wakeFor(key, now, false);
      }
      const writer = this.#pendingWriters.get(key);
      if (permits !== 1 || writer === undefined) continue;
      this.#pendingWriters.delete(key);
      this.#wakeFor(key, now, writer.isAwaited);
    }
  }

  #grant(request: LockRequest, now: number): LockGrant {
    const { keys, leaseMs, permits, ticket } = request;
    const owner = {};
    for (const key of keys) {
      let holding = this.#holdings.get(key);
      if (holding === undefined) {
        holding = { permits, leaseEnds: new Map(), isAwaited: false };
        this.#holdings.set(key, holding);
      }
      if (permits === 1) {
        holding.isAwaited ||= this.#pendingWriters.get(key)?.isAwaited ?? false;
        this.#pendingWriters.delete(key);
      }
      holding.leaseEnds.set(owner, now + leaseMs);
      if (ticket === undefined) continue;
      this.#dequeue(key, ticket);
      // A permit may be free for the next ticket, too.
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
    const holdings = keys.map((key) => this.#current(key, now));
    // guard: extend-by-owner-only-memory
    if (!holdings.every((holding) => holding?.leaseEnds.has(owner))) return 'lost';
    for (const holding of holdings) holding!.leaseEnds.set(owner, now + ms);
    return 'extended';
  }

  #release(keys: readonly string[], owner: object): void {
    const now = this.#clock.now();
    for (const key of keys) {
      const holding = this.#current(key, now);
      if (holding === undefined || !holding.leaseEnds.delete(owner)) continue;
      const isFree = holding.leaseEnds.size === 0;
      if (isFree) this.#holdings.delete(key);
      // The release of one reader lets nobody in while other readers hold the lock.
      if (isFree || holding.permits !== Infinity) this.#wakeFor(key, now, holding.isAwaited);
    }
  }

  /** By the time of day, so that tokens also grow across restarts, as long as the system's clock is not set back. */
  #nextFence(): bigint {
    const timeOfDay = BigInt(Date.now()) * 1_000n;
    this.#lastFence = timeOfDay > this.#lastFence ? timeOfDay : this.#lastFence + 1n;
    return this.#lastFence;
  }

  /** The holders with valid leases; undefined if there are none. */
  #current(key: string, now: number): Holding | undefined {
    const holding = this.#holdings.get(key);
    if (holding === undefined) return undefined;
    for (const [owner, end] of holding.leaseEnds) if (end <= now) holding.leaseEnds.delete(owner);
    if (holding.leaseEnds.size > 0) return holding;
    this.#holdings.delete(key);
    return undefined;
  }

  /** For how many ms the key is held against this request; 0: it is free. */
  #heldForMs(key: string, request: LockRequest, now: number): number {
    const holding = this.#current(key, now);
    if (holding !== undefined) {
      const { leaseEnds, permits } = holding;
      // guard: holders-have-equal-permits-memory
      if (permits !== request.permits) return Math.max(...leaseEnds.values()) - now;
      if (leaseEnds.size >= permits) return Math.min(...leaseEnds.values()) - now;
    }
    if (request.permits === 1) return 0;
    // guard: waiting-writer-keeps-readers-out-memory
    return Math.max(0, (this.#pendingWriters.get(key)?.until ?? now) - now);
  }

  /** Marks the lock so that the refused caller is woken. A writer that waits for readers also blocks new readers. */
  #markAwaited(key: string, request: LockRequest, now: number): void {
    const holding = this.#holdings.get(key);
    const writer = this.#pendingWriters.get(key);
    if (request.ticket === undefined) {
      if (holding !== undefined) holding.isAwaited = true;
      if (writer !== undefined && request.permits > 1) writer.isAwaited = true;
    }
    if (request.permits > 1 || holding === undefined || holding.permits === 1) return;
    this.#pendingWriters.set(key, {
      until: now + request.ticketMs,
      isAwaited: writer?.isAwaited ?? false,
    });
  }

  /**
   * Adds the ticket to the queue, or keeps its place.
   *
   * @returns 0 if the ticket is first; else the ms until the first ticket becomes invalid unless it is retried
   */
  #enqueue({ keys, ticket, ticketMs }: LockRequest, now: number): number {
    if (ticket === undefined) return 0;
    const key = keys[0]!;
    const head = this.#head(key, now);
    const queue = this.#queues.get(key);
    if (ticketMs > 0) {
      const tickets = queue ?? new Map<string, number>();
      // An invalid ticket goes to the end of the queue.
      if ((tickets.get(ticket) ?? now) <= now) tickets.delete(ticket);
      this.#queues.set(key, tickets.set(ticket, now + ticketMs));
    }
    // guard: head-of-the-queue-first-memory
    return head === undefined || head === ticket ? 0 : queue!.get(head)! - now;
  }

  /** The first valid ticket in the queue. Removes the invalid ones before it. */
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

  #dequeue(key: string, ticket: string): void {
    const queue = this.#queues.get(key);
    if (queue?.delete(ticket) && queue.size === 0) this.#queues.delete(key);
  }

  /** Wakes the first ticket, and on request the callers without a ticket. */
  #wakeFor(key: string, now: number, includesUnqueued: boolean): void {
    const head = this.#head(key, now);
    if (head !== undefined) this.#wake(`${key}#${head}`);
    if (includesUnqueued) this.#wake(key);
  }

  #sweep(): void {
    const now = this.#clock.now();
    for (const key of this.#holdings.keys()) this.#current(key, now);
    for (const key of this.#queues.keys()) this.#head(key, now);
    for (const [key, { until }] of this.#pendingWriters) if (until <= now) this.#pendingWriters.delete(key);
  }
}

/** `whileOpen` for locks: `acquire` replies `unavailable` instead of rejecting, and grants are closed, too. */
export function locksWhileOpen(store: LockStore, isClosed: () => boolean): LockStore {
  return {
    ...whileOpen(store, isClosed, ['abandon']),
    hasSingleAuthority: store.hasSingleAuthority,
    acquire: async (request) => {
      if (isClosed()) {
        return { status: 'unavailable', servers: [{ server: 'memory', answer: closedError() }] };
      }
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
