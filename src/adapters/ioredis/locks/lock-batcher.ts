import type { Clock } from '../../../core/ports/clock.js';
import type { ScriptRunner } from '../commands/script.js';
import { unavailable } from '../commands/redis-errors.js';
import { Batch, TickBatcher, type BatchedCall } from '../commands/tick-batcher.js';
import type { Topology } from '../connection/topology.js';
import { lockScript, type LockOperation, type OperationReply } from './lock-script.js';

interface LockCall extends BatchedCall {
  readonly operation: LockOperation;
  readonly resolve: (reply: Exclude<OperationReply, Error>) => void;
}

/**
 * The maximum number of operations in one script. With small batches this process prepares the next one while the server
 * runs one.
 */
const MAX_OPERATIONS = 8;

/**
 * Sends the acquires and releases of one tick as one script (in a Cluster as one script for each slot), in their order: a
 * release that is sent before an acquire frees its lock for it.
 */
export class LockBatcher {
  readonly #scripts: ScriptRunner;
  readonly #topology: Topology;
  readonly #channel: string;
  readonly #batcher: TickBatcher<Batch<LockCall>>;

  /** @param channel on which releases are published */
  constructor(
    scripts: ScriptRunner,
    topology: Topology,
    channel: string,
    { clock, timeout }: { readonly clock: Clock; readonly timeout: number },
  ) {
    this.#scripts = scripts;
    this.#topology = topology;
    this.#channel = channel;
    const settings = { clock, timeout, label: `acquire on ${topology.where}` };
    this.#batcher = new TickBatcher<Batch<LockCall>>(
      () => new Batch(settings),
      MAX_OPERATIONS,
      (batch) => this.#send(batch),
    );
  }

  /**
   * @param timeout the caller's own deadline, in ms
   * @throws StoreUnavailableError
   */
  run(operation: LockOperation, timeout?: number): Promise<Exclude<OperationReply, Error>> {
    return new Promise((resolve, reject) => {
      this.#batcher.batchFor(1).add({ operation, resolve, reject, isSettled: false }, timeout);
    });
  }

  #send(batch: Batch<LockCall>): void {
    const { slotOf } = this.#topology;
    // guard: lock-script-has-operations-of-one-slot
    if (slotOf === undefined) return this.#runScript(batch, batch.calls);
    const slots = new Map<number, LockCall[]>();
    for (const call of batch.calls) {
      const slot = slotOf(this.#scripts.storeKey(call.operation.keys[0]!));
      const calls = slots.get(slot);
      if (calls === undefined) slots.set(slot, [call]);
      else calls.push(call);
    }
    for (const calls of slots.values()) this.#runScript(batch, calls);
  }

  #runScript(batch: Batch<LockCall>, calls: readonly LockCall[]): void {
    const operations = calls.map(({ operation }) => operation);
    this.#batcher.commandStarted();
    this.#scripts.start(
      lockScript,
      [operations, this.#channel],
      (replies) => {
        this.#batcher.commandEnded();
        calls.forEach((call, i) => {
          const reply = replies[i]!;
          if (reply instanceof Error) {
            batch.reject(call, unavailable(call.operation.kind, this.#topology.where, reply));
          } else if (batch.settle(call)) {
            call.resolve(reply);
          }
        });
      },
      (error) => {
        this.#batcher.commandEnded();
        for (const call of calls) batch.reject(call, error);
      },
    );
  }
}
