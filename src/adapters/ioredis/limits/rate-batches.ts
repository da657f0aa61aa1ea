import { StoreUnavailableError } from '../../../core/errors.js';
import type { Clock, RateReply, RateRequest, Timer } from '../../../core/ports.js';
import { afterArrivals } from '../after-arrivals.js';
import { consumeScript } from './rate-consume.js';
import type { Scripts } from '../scripts.js';
import type { Servers } from '../servers.js';

export interface RateSettings {
  readonly clock: Clock;
  /** In ms. */
  readonly timeout: number;
  /** For tests of the arithmetic: microseconds since the epoch, in place of the server's own time. */
  readonly now?: (() => number) | undefined;
}

/**
 * Requests in one script. Few enough that while the server works on one batch this process makes the next: with all
 * that come at once in one, each would wait for the other, and do half as much.
 */
const LARGEST = 32;

/**
 * The hot path. What is consumed within one tick goes out as one script (Cluster: one for each slot, in one write for
 * each node).
 *
 * As with reads, a call that finds nothing under way is sent at the end of its tick, and while something is under way
 * calls are collected until the end of the event loop's turn.
 */
export class RateBatches {
  readonly #scripts: Scripts;
  readonly #servers: Servers;
  readonly #settings: RateSettings;
  #batch: Batch | undefined;
  #underWay = 0;

  constructor(scripts: Scripts, servers: Servers, settings: RateSettings) {
    this.#scripts = scripts;
    this.#servers = servers;
    this.#settings = settings;
  }

  /** @throws StoreUnavailableError */
  consume(request: RateRequest, budget: number | undefined): Promise<RateReply> {
    return new Promise((resolve, reject) => {
      let batch = this.#batch;
      if (batch === undefined || batch.calls.length >= LARGEST) batch = this.#begin();
      const call: Call = { request, resolve, reject, done: false };
      batch.calls.push(call);
      batch.left += 1;
      if (budget !== undefined && budget < this.#settings.timeout) this.#limit(batch, call, budget);
    });
  }

  #begin(): Batch {
    if (this.#batch !== undefined) this.#send(this.#batch);
    const batch: Batch = { calls: [], limits: undefined, left: 0, sent: false };
    this.#batch = batch;
    if (this.#underWay === 0) process.nextTick(this.#send, batch);
    else setImmediate(this.#send, batch);
    return batch;
  }

  readonly #send = (batch: Batch): void => {
    if (batch.sent) return;
    batch.sent = true;
    if (this.#batch === batch) this.#batch = undefined;
    const { slotOf } = this.#servers;
    if (slotOf === undefined) return this.#run(batch, batch.calls);
    const slots = new Map<number, Call[]>();
    for (const call of batch.calls) {
      const slot = slotOf(this.#scripts.name(call.request.subject));
      const calls = slots.get(slot);
      if (calls === undefined) slots.set(slot, [call]);
      else calls.push(call);
    }
    for (const calls of slots.values()) this.#run(batch, calls);
  };

  #run(batch: Batch, calls: readonly Call[]): void {
    const { now } = this.#settings;
    this.#underWay += 1;
    const requests = calls.map(({ request }) => request);
    this.#scripts.run(consumeScript, [requests, now === undefined ? '' : String(now())]).then(
      (replies) => {
        this.#underWay -= 1;
        calls.forEach((call, i) => {
          if (settles(batch, call)) call.resolve(replies[i]!);
        });
      },
      (error: unknown) => {
        this.#underWay -= 1;
        for (const call of calls) if (settles(batch, call)) call.reject(error);
      },
    );
  }

  /** Calls of one batch with the same budget share a timer. */
  #limit(batch: Batch, call: Call, budget: number): void {
    const ms = Math.max(0, Math.ceil(budget));
    batch.limits ??= new Map();
    const limited = batch.limits.get(ms);
    if (limited !== undefined) {
      limited.calls.push(call);
      return;
    }
    const calls = [call];
    const timer = this.#settings.clock.after(ms, () => {
      afterArrivals(() => {
        const message = `consume on ${this.#servers.where}: no reply came within the budget of ${ms} ms.`;
        const error = new StoreUnavailableError(message, 'unknown');
        for (const late of calls) if (settles(batch, late)) late.reject(error);
      });
    });
    batch.limits.set(ms, { timer, calls });
  }
}

interface Call {
  readonly request: RateRequest;
  readonly resolve: (reply: RateReply) => void;
  readonly reject: (error: unknown) => void;
  done: boolean;
}

/** What is consumed within one tick. */
interface Batch {
  readonly calls: Call[];
  limits: Map<number, { readonly timer: Timer; readonly calls: Call[] }> | undefined;
  /** Calls without an answer. */
  left: number;
  sent: boolean;
}

/** False if the call has been answered already. */
function settles(batch: Batch, call: Call): boolean {
  if (call.done) return false;
  call.done = true;
  batch.left -= 1;
  if (batch.left === 0 && batch.limits !== undefined) {
    for (const { timer } of batch.limits.values()) timer.cancel();
  }
  return true;
}
