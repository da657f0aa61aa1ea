import type { Clock, RateReply, RateRequest } from '../../../core/ports.js';
import { consumeScript } from './rate-consume.js';
import type { Scripts } from '../scripts.js';
import type { Servers } from '../servers.js';
import { SharedBudgets } from '../shared-budgets.js';

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
      const { clock, timeout } = this.#settings;
      if (budget !== undefined && budget < timeout) {
        batch.budgets.limit(clock, call, budget, `consume on ${this.#servers.where}`, (late, error) => {
          if (settles(batch, late)) late.reject(error);
        });
      }
    });
  }

  #begin(): Batch {
    if (this.#batch !== undefined) this.#send(this.#batch);
    const batch: Batch = { calls: [], budgets: new SharedBudgets(), left: 0, sent: false };
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
  readonly budgets: SharedBudgets<Call>;
  /** Calls without an answer. */
  left: number;
  sent: boolean;
}

/** False if the call has been answered already. */
function settles(batch: Batch, call: Call): boolean {
  if (call.done) return false;
  call.done = true;
  batch.left -= 1;
  if (batch.left === 0) batch.budgets.end();
  return true;
}
