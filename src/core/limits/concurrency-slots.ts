import type { LimitCall, TakenUnits } from './limit-call.js';
import type { RateLimiter } from './rate-limiter.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { RateRule } from '../ports/rate-store.js';
import type { EventPublisher } from '../shared/event-publisher.js';

/** The state that the slots of one `Caching` share. */
export interface SlotContext {
  readonly clock: Clock;
  readonly events: EventPublisher;
  readonly limiter: RateLimiter;
}

/** The slots that calls of this process hold, which `close` releases. */
export class ConcurrencySlots {
  readonly #context: SlotContext;
  readonly #held = new Set<ConcurrencySlot>();

  constructor(context: SlotContext) {
    this.#context = context;
  }

  /** Holds and renews the slots that a call has taken. */
  hold(call: LimitCall, taken: TakenUnits): ConcurrencySlot {
    const slot = new ConcurrencySlot(this.#context, call, taken, () => this.#held.delete(slot));
    this.#held.add(slot);
    return slot;
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.#held].map((slot) => slot.release()));
  }
}

/**
 * The slots of one call: one for each of its concurrency rules. They are renewed while the call runs, so that only the slots
 * of crashed processes expire.
 */
export class ConcurrencySlot {
  readonly #context: SlotContext;
  readonly #call: LimitCall;
  readonly #taken: TakenUnits;
  readonly #ended: () => void;
  readonly #rules: readonly RateRule[];
  readonly #leaseMs: number;
  #timer: Timer;
  #isOver = false;

  constructor(context: SlotContext, call: LimitCall, taken: TakenUnits, onEnd: () => void) {
    this.#context = context;
    this.#call = call;
    this.#taken = taken;
    this.#ended = onEnd;
    this.#rules = taken.request.rules.filter(({ algorithm }) => algorithm === 'concurrency');
    this.#leaseMs = Math.min(...this.#rules.map(({ perMs }) => perMs));
    this.#timer = this.#renewLater();
  }

  /** Stops the renewals. Returns false if they were stopped before. */
  end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#timer.cancel();
    this.#ended();
    return true;
  }

  /** Releases the slots. Never rejects: a failed release is retried until the slots expire. */
  async release(): Promise<void> {
    if (!this.end()) return;
    const { clock, limiter, events } = this.#context;
    const { store, request } = this.#taken;
    const { subject, token } = request;
    const attempt = (): Promise<void> =>
      store.refund({ subject, rules: this.#rules, cost: 1, token, wakeOnlyIfFull: true });
    try {
      await attempt();
    } catch (error) {
      events.error('release', this.#call, error);
      // guard: slot-release-is-retried-until-its-end
      limiter.releases.add(attempt, clock.now() + this.#leaseMs);
    }
  }

  #renewLater(): Timer {
    const { clock, events } = this.#context;
    return clock.after(this.#leaseMs / 3, () => {
      // guard: running-call-renews-its-slot
      this.#timer = this.#renewLater();
      this.#renew().catch((error: unknown) => events.error('renew', this.#call, error));
    });
  }

  async #renew(): Promise<void> {
    const { store, request } = this.#taken;
    const known = await store.renew(this.#rules, request.token);
    // The store has lost the slot, but its call still runs: take it again, even without room.
    // guard: ended-run-takes-no-slot-again
    if (!known && !this.#isOver) {
      await store.consume({ ...request, rules: this.#rules, cost: 1, repeatable: false, force: true });
    }
  }
}
