import type { LimitCall, Taken } from './limit-call.js';
import type { Clock, RateRule, Timer } from '../ports.js';
import type { ReleaseRetries } from '../release-retries.js';
import type { Reporter } from '../reporter.js';

/** The slots that calls of this process hold: renewed while they run, so that those of a process that died end. */
export class HeldSlots {
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  readonly #releases: ReleaseRetries;
  readonly #held = new Set<HeldSlot>();

  constructor(clock: Clock, reporter: Reporter, releases: ReleaseRetries) {
    this.#clock = clock;
    this.#reporter = reporter;
    this.#releases = releases;
  }

  hold(call: LimitCall, taken: Taken): HeldSlot {
    const ended = (): void => void this.#held.delete(slot);
    const slot = new HeldSlot(call, taken, this.#clock, this.#reporter, this.#releases, ended);
    this.#held.add(slot);
    return slot;
  }

  async giveAllBack(): Promise<void> {
    await Promise.all([...this.#held].map((slot) => slot.giveBack()));
  }
}

/** A slot of each `concurrency` rule of one call. */
export class HeldSlot {
  readonly #call: LimitCall;
  readonly #taken: Taken;
  readonly #rules: readonly RateRule[];
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  readonly #releases: ReleaseRetries;
  readonly #ended: () => void;
  readonly #interval: number;
  #timer: Timer;
  #over = false;

  constructor(
    call: LimitCall,
    taken: Taken,
    clock: Clock,
    reporter: Reporter,
    releases: ReleaseRetries,
    ended: () => void,
  ) {
    this.#call = call;
    this.#taken = taken;
    this.#rules = taken.request.rules.filter(({ algorithm }) => algorithm === 'concurrency');
    this.#clock = clock;
    this.#reporter = reporter;
    this.#releases = releases;
    this.#ended = ended;
    this.#interval = Math.min(...this.#rules.map(({ perMs }) => perMs)) / 3;
    this.#timer = this.#renewLater();
  }

  /** Ends the renewals. False: they have ended before, and the slots are given back. */
  end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#timer.cancel();
    this.#ended();
    return true;
  }

  /** Never rejects: a slot that cannot be released now is released later, or ends by itself. */
  async giveBack(): Promise<void> {
    if (!this.end()) return;
    const { store, request } = this.#taken;
    const { subject, token } = request;
    const attempt = (): Promise<void> =>
      store.refund({ subject, rules: this.#rules, cost: 1, token, quiet: true });
    try {
      await attempt();
    } catch (error) {
      this.#reporter.error('release', this.#call, error);
      this.#releases.add(attempt, this.#clock.now() + 3 * this.#interval);
    }
  }

  #renewLater(): Timer {
    return this.#clock.after(this.#interval, () => {
      this.#timer = this.#renewLater();
      this.#renew().catch((error: unknown) => this.#reporter.error('renew', this.#call, error));
    });
  }

  async #renew(): Promise<void> {
    const { store, request } = this.#taken;
    const known = await store.renew(this.#rules, request.token);
    // The store has lost it, and its work still runs: it counts again, whether there is room or not.
    if (!known && !this.#over) {
      await store.consume({ ...request, rules: this.#rules, cost: 1, repeatable: false, forced: true });
    }
  }
}
