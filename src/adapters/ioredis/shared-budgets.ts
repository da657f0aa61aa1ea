import { StoreUnavailableError } from '../../core/errors.js';
import type { Clock, Timer } from '../../core/ports.js';
import { afterArrivals } from './after-arrivals.js';

interface Limited<Call> {
  readonly timer: Timer;
  readonly calls: Call[];
}

/** The callers' own deadlines of one batch: calls with the same budget share a timer. */
export class SharedBudgets<Call> {
  #limits: Map<number, Limited<Call>> | undefined;

  /**
   * @param verb what the batch does, for the message
   * @param late told of each call that is too late, answered or not
   */
  limit(
    clock: Clock,
    call: Call,
    budget: number,
    verb: string,
    late: (call: Call, error: StoreUnavailableError) => void,
  ): void {
    const ms = Math.max(0, Math.ceil(budget));
    this.#limits ??= new Map();
    const limited = this.#limits.get(ms);
    if (limited !== undefined) {
      limited.calls.push(call);
      return;
    }
    const calls = [call];
    const timer = clock.after(ms, () => {
      afterArrivals(() => {
        const message = `${verb}: no reply came within the budget of ${ms} ms.`;
        const error = new StoreUnavailableError(message, 'unknown');
        for (const one of calls) late(one, error);
      });
    });
    this.#limits.set(ms, { timer, calls });
  }

  /** Every call is answered. */
  end(): void {
    if (this.#limits === undefined) return;
    for (const { timer } of this.#limits.values()) timer.cancel();
  }
}
