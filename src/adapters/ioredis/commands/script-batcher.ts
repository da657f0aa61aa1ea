import { groupsBySlot } from './cluster-slot.js';
import type { ScriptRunner } from './script.js';
import { Batch, TickBatcher, type BatchedCall, type BatchSettings } from './tick-batcher.js';
import type { Topology } from '../connection/topology.js';

interface ScriptCall<Request, Reply> extends BatchedCall {
  readonly request: Request;
  readonly resolve: (reply: Reply) => void;
}

export interface ScriptBatcherSettings<Request, Reply> extends BatchSettings {
  /**
   * The maximum number of requests in one script. With small batches this process prepares the next one while the server
   * runs one; with all requests in one batch, each side would wait for the other.
   */
  readonly maxRequests: number;
  /** A key of the request. All of its keys are in the slot of this one. */
  readonly keyOf: (request: Request) => string;
  /**
   * Runs the script for requests of one slot. Calls `resolve` or `reject` once. A reply that is an Error rejects its own request
   * only.
   */
  readonly start: (
    requests: readonly Request[],
    resolve: (replies: readonly (Reply | Error)[]) => void,
    reject: (error: unknown) => void,
  ) => void;
}

/** Sends the requests of one tick as one script, in a Cluster as one script for each slot, in their order. */
export class ScriptBatcher<Request, Reply> {
  readonly #scripts: ScriptRunner;
  readonly #topology: Topology;
  readonly #settings: ScriptBatcherSettings<Request, Reply>;
  readonly #batcher: TickBatcher<Batch<ScriptCall<Request, Reply>>>;

  constructor(scripts: ScriptRunner, topology: Topology, settings: ScriptBatcherSettings<Request, Reply>) {
    this.#scripts = scripts;
    this.#topology = topology;
    this.#settings = settings;
    this.#batcher = new TickBatcher<Batch<ScriptCall<Request, Reply>>>(
      () => new Batch(settings),
      settings.maxRequests,
      (batch) => this.#send(batch),
    );
  }

  /**
   * @param timeout the caller's own deadline, in ms
   * @throws StoreUnavailableError
   */
  run(request: Request, timeout: number | undefined): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#batcher.batchFor(1).add({ request, resolve, reject, isSettled: false }, timeout);
    });
  }

  #send(batch: Batch<ScriptCall<Request, Reply>>): void {
    const { slotOf } = this.#topology;
    // guard: script-has-requests-of-one-slot
    if (slotOf === undefined) return this.#start(batch, batch.calls);
    const { keyOf } = this.#settings;
    const groups = groupsBySlot(batch.calls, ({ request }) => slotOf(this.#scripts.storeKey(keyOf(request))));
    for (const calls of groups) this.#start(batch, calls);
  }

  #start(batch: Batch<ScriptCall<Request, Reply>>, calls: readonly ScriptCall<Request, Reply>[]): void {
    this.#batcher.commandStarted();
    this.#settings.start(
      calls.map(({ request }) => request),
      (replies) => {
        this.#batcher.commandEnded();
        calls.forEach((call, i) => {
          const reply = replies[i]!;
          if (reply instanceof Error) batch.reject(call, reply);
          else if (batch.settle(call)) call.resolve(reply);
        });
      },
      (error) => {
        this.#batcher.commandEnded();
        for (const call of calls) batch.reject(call, error);
      },
    );
  }
}
