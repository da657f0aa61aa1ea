import { setMaxListeners } from 'node:events';
import { jittered } from '../shared/backoff.js';
import { quote } from '../shared/describe.js';
import { LockLostError } from '../shared/errors.js';
import type { Lease } from './lease.js';
import type { Linked } from '../shared/linked-set.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { LockGrant } from '../ports/lock-store.js';
import type { EventPublisher, MethodLabel } from '../shared/event-publisher.js';

export interface HeldLeaseSetup {
  readonly clock: Clock;
  readonly events: EventPublisher;
  readonly method: MethodLabel | undefined;
  /** The logical keys. */
  readonly keys: readonly string[];
  readonly grant: LockGrant;
  /** When it was asked for, by this process' clock: its validity counts from there. */
  readonly askedAt: number;
  readonly leaseMs: number;
  /** How long in all it is renewed. */
  readonly renewMs: number;
  /** It is released, or that was tried. */
  readonly ended: () => void;
}

/**
 * For how many ms after it was asked for a lease can be proven: clocks may run at rates that differ by 1 %, and servers
 * count in whole milliseconds.
 */
export function leaseValidity(leaseMs: number): number {
  // guard: clock-drift-shortens-a-lease
  return leaseMs - leaseMs / 100 - 2;
}

/**
 * A lease from its grant to its end. Validity is computed from the local monotonic clock and from confirmed renewals
 * only; an unconfirmed renewal does not extend it. When it ends without a renewal it is lost.
 */
export class HeldLease implements Lease, Linked<HeldLease> {
  isLinked = false;
  before: HeldLease | undefined;
  after: HeldLease | undefined;
  readonly #setup: HeldLeaseSetup;
  /** Made at the first access: most callers never ask for the signal. */
  #controller: AbortController | undefined;
  readonly #acquiredAt: number;
  /** Until when the lease is proven. */
  #deadline: number;
  /** Set after the first third of the lease: it cannot end before. */
  #expiry: Timer | undefined;
  #renewal: Timer | undefined;
  #lost: LockLostError | undefined;
  #released: Promise<void> | undefined;

  constructor(setup: HeldLeaseSetup) {
    this.#setup = setup;
    const { clock, leaseMs, askedAt } = setup;
    this.#acquiredAt = clock.now();
    this.#deadline = askedAt + leaseValidity(leaseMs);
    this.#renewIn(askedAt + leaseMs / 3 - clock.now());
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

  /** The `Caching` is closed: the signal aborts, and the lease is released at once. */
  async close(): Promise<void> {
    if (!this.#isOver) this.#lose('closed');
    await this.release();
  }

  get #isOver(): boolean {
    return this.#lost !== undefined || this.#released !== undefined;
  }

  /** No timer runs while the event loop is blocked, so every access compares with the clock. */
  #checkExpiry(): void {
    // guard: access-compares-with-the-clock
    if (!this.#isOver && this.#setup.clock.now() >= this.#deadline) this.#lose('expired');
  }

  #expireAt(deadline: number): Timer {
    const { clock } = this.#setup;
    return clock.after(Math.max(0, deadline - clock.now()), () => {
      if (this.#isOver) return;
      if (clock.now() >= this.#deadline) this.#lose('expired');
      // Timers may run a little early.
      else this.#expiry = this.#expireAt(this.#deadline);
    });
  }

  #renewIn(ms: number): void {
    const task = (): void => void this.#renew();
    this.#renewal = this.#setup.clock.after(Math.max(0, ms), task);
  }

  async #renew(): Promise<void> {
    const { clock, grant, leaseMs, renewMs, askedAt } = this.#setup;
    this.#checkExpiry();
    if (this.#isOver) return;
    // guard: lease-ends-by-a-local-timer
    this.#expiry ??= this.#expireAt(this.#deadline);
    const renewedAt = clock.now();
    // guard: renewals-end
    const ms = Math.floor(Math.min(leaseMs, askedAt + renewMs - renewedAt));
    const deadline = renewedAt + leaseValidity(ms);
    // The time for renewals is used up: another one would end the lease earlier.
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
      // A shorter renewal is the last one.
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
    const { clock, ended, grant, keys, method, events } = this.#setup;
    this.#stop();
    try {
      await grant.release();
    } catch (error) {
      events.error('release', { key: keys[0], method }, error);
    }
    ended();
    const heldMs = clock.now() - this.#acquiredAt;
    events.publish('unlock', method, { keys, heldMs, lost: this.#lost !== undefined });
  }

  #stop(): void {
    this.#expiry?.cancel();
    this.#renewal?.cancel();
  }

  #error(reason: LockLostError['reason']): LockLostError {
    const names = this.keys.map(quote).join(', ');
    return new LockLostError(`The lease on ${names} ${WHY[reason]}`, this.keys, reason);
  }
}

const STOP =
  'Nothing is exclusive any more: stop, and have the resource refuse fencing tokens smaller than the latest it saw.';

const WHY: Readonly<Record<LockLostError['reason'], string>> = {
  expired:
    'ended while it was in use: it was not renewed in time (Redis did not answer, the time in `renew` was used up, ' +
    `or the process was paused or its event loop blocked). ${STOP}`,
  taken: `is gone: on the servers another holds it, or nobody. ${STOP}`,
  closed: `was released because its Caching was closed while it was in use. ${STOP}`,
  released: 'is released: there is no lease after release().',
};
