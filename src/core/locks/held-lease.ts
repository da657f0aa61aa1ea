import { setMaxListeners } from 'node:events';
import { quote } from '../describe.js';
import { LockLostError } from '../errors.js';
import type { Lease } from './lease.js';
import type { Clock, LockGrant, Timer } from '../ports.js';
import type { Reporter } from '../reporter.js';
import { validity } from './validity.js';

export interface HeldLeaseSetup {
  readonly clock: Clock;
  readonly reporter: Reporter;
  readonly method: string | undefined;
  /** The logical keys. */
  readonly keys: readonly string[];
  readonly grant: LockGrant;
  /** When it was asked for, by our clock: it counts from there. */
  readonly since: number;
  readonly leaseMs: number;
  /** How long in all it is renewed. */
  readonly renewMs: number;
  /** It was given back, or that was tried. */
  readonly ended: () => void;
}

/**
 * The life of a lease. What it is good for is decided here, by this process' monotonic clock and what the servers
 * have confirmed, and never by the hope that they will: when the end comes without a renewal it is lost.
 */
export class HeldLease implements Lease {
  readonly #in: HeldLeaseSetup;
  /** Made when somebody asks for the signal: most never do. */
  #controller: AbortController | undefined;
  readonly #obtained: number;
  /** Until when the lease is proven. */
  #deadline: number;
  /** From the first third of the lease on: before that its end is no concern. */
  #expiry: Timer | undefined;
  #renewal: Timer | undefined;
  #lost: LockLostError | undefined;
  #released: Promise<void> | undefined;

  constructor(setup: HeldLeaseSetup) {
    this.#in = setup;
    const { clock, leaseMs, since } = setup;
    this.#obtained = clock.now();
    this.#deadline = since + validity(leaseMs);
    this.#renewIn(since + leaseMs / 3 - clock.now());
  }

  get keys(): readonly string[] {
    return this.#in.keys;
  }

  get fencingToken(): bigint | undefined {
    return this.#in.grant.fencingToken;
  }

  get signal(): AbortSignal {
    this.#look();
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      setMaxListeners(0, this.#controller.signal);
      if (this.#lost !== undefined) this.#controller.abort(this.#lost);
    }
    return this.#controller.signal;
  }

  get remainingMs(): number {
    this.#look();
    return this.#over ? 0 : this.#deadline - this.#in.clock.now();
  }

  assertHeld(): void {
    this.#look();
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#released !== undefined) throw this.#error('released');
  }

  release(): Promise<void> {
    this.#look();
    return (this.#released ??= this.#giveBack());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** The `Caching` is closed: whoever works under the lease is told, and it is given back at once. */
  async close(): Promise<void> {
    if (!this.#over) this.#lose('closed');
    await this.release();
  }

  get #over(): boolean {
    return this.#lost !== undefined || this.#released !== undefined;
  }

  /** No timer runs while the event loop is blocked: whoever asks is told what the clock says. */
  #look(): void {
    if (!this.#over && this.#in.clock.now() >= this.#deadline) this.#lose('expired');
  }

  #expireAt(deadline: number): Timer {
    const { clock } = this.#in;
    return clock.after(Math.max(0, deadline - clock.now()), () => {
      if (this.#over) return;
      if (clock.now() >= this.#deadline) this.#lose('expired');
      // Timers may run a little early.
      else this.#expiry = this.#expireAt(this.#deadline);
    });
  }

  #renewIn(ms: number): void {
    const task = (): void => void this.#renew();
    this.#renewal = this.#in.clock.after(Math.max(0, ms), task);
  }

  async #renew(): Promise<void> {
    const { clock, grant, leaseMs, renewMs, since } = this.#in;
    this.#look();
    if (this.#over) return;
    this.#expiry ??= this.#expireAt(this.#deadline);
    const asked = clock.now();
    const ms = Math.floor(Math.min(leaseMs, since + renewMs - asked));
    const deadline = asked + validity(ms);
    // The renewals are used up: another would bring the end nearer.
    if (deadline <= this.#deadline) return;
    const outcome = await this.#extend(grant, ms);
    if (this.#over) return;
    if (outcome === 'lost') {
      this.#lose('taken');
    } else if (outcome === 'extended') {
      this.#deadline = deadline;
      this.#expiry?.cancel();
      this.#expiry = this.#expireAt(deadline);
      // A shorter one was the last.
      if (ms === leaseMs) this.#renewIn(asked + leaseMs / 3 - clock.now());
    } else {
      this.#renewIn((leaseMs / 6) * (0.75 + clock.random() / 2));
    }
  }

  async #extend(grant: LockGrant, ms: number): ReturnType<LockGrant['extend']> {
    try {
      return await grant.extend(ms);
    } catch (error) {
      this.#in.reporter.error('extend', { key: this.keys[0], method: this.#in.method }, error);
      return 'unavailable';
    }
  }

  #lose(reason: 'expired' | 'taken' | 'closed'): void {
    const { keys, method, reporter } = this.#in;
    this.#lost = this.#error(reason);
    this.#stop();
    reporter.publish('lockLost', method, { keys, reason });
    this.#controller?.abort(this.#lost);
  }

  async #giveBack(): Promise<void> {
    const { clock, ended, grant, keys, method, reporter } = this.#in;
    this.#stop();
    try {
      await grant.release();
    } catch (error) {
      reporter.error('release', { key: keys[0], method }, error);
    }
    ended();
    const heldMs = clock.now() - this.#obtained;
    reporter.publish('unlock', method, { keys, heldMs, lost: this.#lost !== undefined });
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
  taken: `is gone: the servers say that it is another's, or that there is none. ${STOP}`,
  closed: `was given back because its Caching was closed while it was in use. ${STOP}`,
  released: 'was given back before: there is nothing to hold on to after release().',
};
