import { LockNotObtainedError } from '../errors.js';
import { HeldLease } from './held-lease.js';
import type { Lease } from './lease.js';
import type { LockPolicy } from './lock-options.js';
import { closed, refusal } from './lock-refusals.js';
import { LockWait, type LockWorkings } from './lock-wait.js';
import type { LockGrant, LockRequest } from '../ports.js';
import { Roster } from './roster.js';
import { newToken } from '../token.js';

/** One call for a lock, its options resolved. */
export interface LockCall {
  /** Logical, sorted. */
  readonly keys: readonly string[];
  /** The same in the store, sorted. */
  readonly names: readonly string[];
  readonly policy: LockPolicy;
  /** `Class.method`; undefined for the plain verbs. */
  readonly method: string | undefined;
  /** The most that one attempt may take, in ms. */
  readonly budget: number;
  /** False: the wait ends when too few servers answer. */
  readonly insists: boolean;
  /** The lease under which the caller itself holds all of the keys already, alone. */
  readonly around: Lease | undefined;
}

/** A ticket or a wish of a caller that does not ask for so long has no effect any more. Polls are much nearer. */
const TICKET = 2_000;

/** The leases of one `Caching`: those that are waited for, and those that are held. */
export class LockLeases {
  readonly #in: LockWorkings;
  readonly #waits = new Roster<LockWait<HeldLease>>();
  readonly #held = new Roster<HeldLease>();
  #closed = false;

  constructor(shared: LockWorkings) {
    this.#in = shared;
  }

  /** @throws LockNotObtainedError, LockUnavailableError; the signal's reason */
  async obtain(call: LockCall): Promise<Lease> {
    const { clock, reporter } = this.#in;
    const { keys, method, policy } = call;
    const begun = clock.now();
    try {
      policy.signal?.throwIfAborted();
      if (this.#closed) throw closed(keys);
      const wait = this.#wait(call, begun);
      const seat = this.#waits.enter(wait);
      void wait.ended.then(() => this.#waits.leave(seat));
      const lease = await wait.obtained;
      reporter.publish('lock', method, { keys, waitedMs: clock.now() - begun });
      return lease;
    } catch (error) {
      const reason =
        policy.signal?.aborted === true && error === policy.signal.reason ? 'aborted' : why(error);
      reporter.publish('lockRefused', method, { keys, waitedMs: clock.now() - begun, reason });
      throw error;
    }
  }

  /** Ends every wait, tells whoever works under a lease, and gives back what is held. */
  async close(): Promise<void> {
    this.#closed = true;
    const waits = this.#waits.members;
    for (const wait of waits) wait.stop(closed(wait.keys));
    await Promise.all([
      ...waits.map(({ ended }) => ended),
      ...this.#held.members.map((lease) => lease.close()),
    ]);
  }

  #wait(call: LockCall, begun: number): LockWait<HeldLease> {
    const { around, budget, insists, keys, policy } = call;
    const { signal, wait } = policy;
    return new LockWait(this.#in, {
      keys,
      request: requestOf(call),
      wait,
      budget,
      insists,
      signal,
      hold: (grant, since) => this.#hold(call, grant, since),
      refusal: (last) => refusal(keys, this.#in.clock.now() - begun, last, around !== undefined),
    });
  }

  #hold({ keys, method, names, policy }: LockCall, grant: LockGrant, since: number): HeldLease {
    const { clock, reporter, waiters } = this.#in;
    const lease: HeldLease = new HeldLease({
      clock,
      reporter,
      method,
      keys,
      grant,
      since,
      leaseMs: policy.lease,
      renewMs: policy.renew,
      ended: () => {
        this.#held.leave(seat);
        // The next of this process tries at once: the message comes later, if it comes.
        for (const name of names) waiters.wake(name);
      },
    });
    const seat = this.#held.enter(lease);
    return lease;
  }
}

function why(error: unknown): 'held' | 'unavailable' {
  return error instanceof LockNotObtainedError ? 'held' : 'unavailable';
}

function requestOf({ names, policy }: LockCall): LockRequest {
  return {
    keys: names,
    leaseMs: policy.lease,
    permits: policy.permits,
    ticket: policy.fair ? newToken() : undefined,
    // Who asks once and goes leaves nothing behind.
    ticketMs: policy.wait === 0 ? 0 : TICKET,
  };
}
