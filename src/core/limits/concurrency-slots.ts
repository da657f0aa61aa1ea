import type { LimitCall, TakenUnits } from './limit-call.js';
import type { RateLimiter } from './rate-limiter.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { RateRule } from '../ports/rate-store.js';
import type { EventPublisher } from '../shared/event-publisher.js';

export interface SlotContext {
  readonly clock: Clock;
  readonly events: EventPublisher;
  readonly limiter: RateLimiter;
}

/** The slots that calls of this process hold, so that `close` can release them. */
export class ConcurrencySlots {
  readonly #context: SlotContext;
  readonly #held = new Set<ConcurrencySlot>();

  constructor(context: SlotContext) {
    this.#context = context;
  }

  hold(call: LimitCall, taken: TakenUnits): ConcurrencySlot {
    const slot = new ConcurrencySlot(this.#context, call, taken, () => this.#held.delete(slot));
    this.#held.add(slot);
    return slot;
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.#held].map((slot) => slot.release()));
  }
}

/** A slot of each concurrency rule of one call. Renewed while the call runs, so that the slots of dead processes end. */
export class ConcurrencySlot {
  readonly #context: SlotContext;
  readonly #call: LimitCall;
  readonly #taken: TakenUnits;
  readonly #ended: () => void;
  readonly #rules: readonly RateRule[];
  readonly #leaseMs: number;
  #timer: Timer;
  #isOver = false;

  constructor(context: SlotContext, call: LimitCall, taken: TakenUnits, ended: () => void) {
    this.#context = context;
    this.#call = call;
    this.#taken = taken;
    this.#ended = ended;
    this.#rules = taken.request.rules.filter(({ algorithm }) => algorithm === 'concurrency');
    this.#leaseMs = Math.min(...this.#rules.map(({ perMs }) => perMs));
    this.#timer = this.#renewLater();
  }

  /** Ends the renewals. False: they had ended before. */
  end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#timer.cancel();
    this.#ended();
    return true;
  }

  /** Never rejects: a slot that cannot be released now is released later, or ends by itself. */
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
    // The store has lost the slot, and its call still runs: it counts again, whether there is room or not.
    // guard: ended-run-takes-no-slot-again
    if (!known && !this.#isOver) {
      await store.consume({ ...request, rules: this.#rules, cost: 1, repeatable: false, force: true });
    }
  }
}
