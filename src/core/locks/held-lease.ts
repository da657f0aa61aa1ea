import { setMaxListeners } from 'node:events';
import { jittered } from '../shared/backoff.js';
import { quote } from '../shared/describe.js';
import { LockLostError } from '../shared/errors.js';
import type { Lease } from './lease.js';
import type { Linked } from '../shared/linked-set.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { LockGrant } from '../ports/lock-store.js';
import type { EventPublisher, MethodLabel } from '../shared/event-publisher.js';

/** What a held lease needs. */
export interface HeldLeaseSetup {
  readonly clock: Clock;
  readonly events: EventPublisher;
  readonly method: MethodLabel | undefined;
  /** The logical keys. */
  readonly keys: readonly string[];
  readonly grant: LockGrant;
  /** When it was requested, by this process' clock. Its validity counts from then. */
  readonly requestedAt: number;
  readonly leaseMs: number;
  /** The total time for which it is renewed, in ms. */
  readonly renewMs: number;
  /** Called after it is released, or the release has failed. */
  readonly onEnd: () => void;
}

/**
 * How long a lease is valid after its request, in ms: shorter than the lease itself, because clock rates may differ by 1 %
 * and servers count whole milliseconds.
 */
export function leaseValidity(leaseMs: number): number {
  // guard: clock-drift-shortens-a-lease
  return leaseMs - leaseMs / 100 - 2;
}

/**
 * A lease from its grant to its release or loss. Validity is computed from the local monotonic clock and confirmed renewals
 * only; an unconfirmed renewal does not extend it. A lease that ends without a renewal is lost.
 *
 * @see G8
 */
export class HeldLease implements Lease, Linked<HeldLease> {
  isLinked = false;
  before: HeldLease | undefined;
  after: HeldLease | undefined;
  readonly #setup: HeldLeaseSetup;
  /** Created on first access: most callers do not use the signal. */
  #controller: AbortController | undefined;
  readonly #acquiredAt: number;
  /** The time until which the lease is valid. */
  #deadline: number;
  /** Set by the first renewal, after a third of the lease. Before that the lease cannot expire. */
  #expiry: Timer | undefined;
  #renewal: Timer | undefined;
  #lost: LockLostError | undefined;
  #released: Promise<void> | undefined;

  constructor(setup: HeldLeaseSetup) {
    this.#setup = setup;
    const { clock, leaseMs, requestedAt } = setup;
    this.#acquiredAt = clock.now();
    this.#deadline = requestedAt + leaseValidity(leaseMs);
    this.#renewIn(requestedAt + leaseMs / 3 - this.#acquiredAt);
  }

  get keys(): readonly string[] {
    return this.#setup.keys;
  }

  get fencingToken(): bigint | undefined {
    return this.#setup.grant.fencingToken;
  }

  get signal(): AbortSignal {
    this.#checkExpiry();
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      setMaxListeners(0, this.#controller.signal);
      if (this.#lost !== undefined) this.#controller.abort(this.#lost);
    }
    return this.#controller.signal;
  }

  get remainingMs(): number {
    this.#checkExpiry();
    return this.#isOver ? 0 : this.#deadline - this.#setup.clock.now();
  }

  assertHeld(): void {
    this.#checkExpiry();
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#released !== undefined) throw this.#error('released');
  }

  release(): Promise<void> {
    this.#checkExpiry();
    return (this.#released ??= this.#release());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** Aborts the signal and releases the lease, when the `Caching` is closed. */
  async close(): Promise<void> {
    if (!this.#isOver) this.#lose('closed');
    await this.release();
  }

  get #isOver(): boolean {
    return this.#lost !== undefined || this.#released !== undefined;
  }

  /** Compares with the clock on every access, because timers do not run while the event loop is blocked. */
  #checkExpiry(): void {
    // guard: access-compares-with-the-clock
    if (!this.#isOver && this.#setup.clock.now() >= this.#deadline) this.#lose('expired');
  }

  #expireAt(deadline: number): Timer {
    const { clock } = this.#setup;
    return clock.after(Math.max(0, deadline - clock.now()), () => {
      if (this.#isOver) return;
      if (clock.now() >= this.#deadline) this.#lose('expired');
      // Timers may fire slightly early.
      else this.#expiry = this.#expireAt(this.#deadline);
    });
  }

  #renewIn(ms: number): void {
    const task = (): void => void this.#renew();
    this.#renewal = this.#setup.clock.after(Math.max(0, ms), task);
  }

  async #renew(): Promise<void> {
    const { clock, grant, leaseMs, renewMs, requestedAt } = this.#setup;
    this.#checkExpiry();
    if (this.#isOver) return;
    // guard: lease-ends-by-a-local-timer
    this.#expiry ??= this.#expireAt(this.#deadline);
    const renewedAt = clock.now();
    // guard: renewals-end
    const ms = Math.floor(Math.min(leaseMs, requestedAt + renewMs - renewedAt));
    const deadline = renewedAt + leaseValidity(ms);
    // `renew` has been reached: another renewal would end the lease earlier.
    if (deadline <= this.#deadline) return;
    const outcome = await this.#extend(grant, ms);
    // guard: lost-lease-stays-lost
    if (this.#isOver) return;
    if (outcome === 'lost') {
      this.#lose('taken');
    } else if (outcome === 'extended') {
      // guard: renewal-counts-from-its-request
      this.#deadline = deadline;
      this.#expiry?.cancel();
      this.#expiry = this.#expireAt(deadline);
      // A renewal for less than the full lease is the last one.
      if (ms === leaseMs) this.#renewIn(renewedAt + leaseMs / 3 - clock.now());
    } else {
      this.#renewIn(jittered(leaseMs / 6, clock));
    }
  }

  async #extend(grant: LockGrant, ms: number): ReturnType<LockGrant['extend']> {
    try {
      return await grant.extend(ms);
    } catch (error) {
      this.#setup.events.error('extend', { key: this.keys[0], method: this.#setup.method }, error);
      return 'unavailable';
    }
  }

  #lose(reason: 'expired' | 'taken' | 'closed'): void {
    const { keys, method, events } = this.#setup;
    this.#lost = this.#error(reason);
    this.#stop();
    events.publish('lockLost', method, { keys, reason });
    this.#controller?.abort(this.#lost);
  }

  async #release(): Promise<void> {
    const { clock, onEnd, grant, keys, method, events } = this.#setup;
    this.#stop();
    try {
      await grant.release();
    } catch (error) {
      events.error('release', { key: keys[0], method }, error);
    }
    onEnd();
    const heldMs = clock.now() - this.#acquiredAt;
    events.publish('unlock', method, { keys, heldMs, lost: this.#lost !== undefined });
  }

  #stop(): void {
    this.#expiry?.cancel();
    this.#renewal?.cancel();
  }

  #error(reason: LockLostError['reason']): LockLostError {
    const names = this.keys.map(quote).join(', ');
    return new LockLostError(`The lease on ${names} ${REASONS[reason]}`, this.keys, reason);
  }
}

const STOP =
  'The work is not exclusive any more: stop it, and let the resource reject fencing tokens smaller than the latest one.';

const REASONS: Readonly<Record<LockLostError['reason'], string>> = {
  expired:
    'expired while it was in use: it was not renewed in time (Redis did not answer, the time in `renew` had passed, ' +
    `or the process was paused or its event loop was blocked). ${STOP}`,
  taken: `was lost while it was in use: on the servers the lock has another holder or does not exist. ${STOP}`,
  closed: `was released because its Caching was closed while it was in use. ${STOP}`,
  released: 'has been released. Call assertHeld() only before release().',
};
