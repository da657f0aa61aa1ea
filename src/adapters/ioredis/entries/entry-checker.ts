import type { Buffer } from 'node:buffer';
import { Batch, TickBatcher, type BatchedCall } from '../commands/tick-batcher.js';
import type { ScriptRunner } from '../commands/script.js';
import type { Topology } from '../connection/topology.js';
import type { EntryReaderSettings } from './entry-reader.js';
import { checkScript } from './entry-scripts.js';

/** What the store has at a key: the record that the caller knows, or another one, or none. */
export type Checked = 'unchanged' | Buffer | null;

interface CheckCall extends BatchedCall {
  readonly key: string;
  readonly token: string;
  readonly resolve: (found: Checked) => void;
}

/** Redis serves no other client while a script runs. */
const MAX_KEYS = 128;

/**
 * Asks whether records are unchanged, by their tokens. The questions of one tick are sent as one script (in a Cluster as one
 * for each slot). A record that is unchanged is not sent.
 */
export class EntryChecker {
  readonly #scripts: ScriptRunner;
  readonly #topology: Topology;
  readonly #batcher: TickBatcher<Batch<CheckCall>>;

  constructor(scripts: ScriptRunner, topology: Topology, settings: EntryReaderSettings) {
    this.#scripts = scripts;
    this.#topology = topology;
    const batchSettings = { ...settings, label: `check on ${topology.where}` };
    this.#batcher = new TickBatcher(
      () => new Batch<CheckCall>(batchSettings),
      MAX_KEYS,
      (batch) => this.#send(batch),
    );
  }

  /**
   * @param token of the record that the caller knows
   * @param timeout the caller's own deadline, in ms
   * @throws StoreUnavailableError
   */
  check(key: string, token: string, timeout?: number): Promise<Checked> {
    return new Promise((resolve, reject) => {
      this.#batcher.batchFor(1).add({ key, token, resolve, reject, isSettled: false }, timeout);
    });
  }

  #send(batch: Batch<CheckCall>): void {
    const { slotOf } = this.#topology;
    if (slotOf === undefined) return this.#runScript(batch, batch.calls);
    const slots = new Map<number, CheckCall[]>();
    for (const call of batch.calls) {
      const slot = slotOf(this.#scripts.storeKey(call.key));
      const calls = slots.get(slot);
      if (calls === undefined) slots.set(slot, [call]);
      else calls.push(call);
    }
    for (const calls of slots.values()) this.#runScript(batch, calls);
  }

  #runScript(batch: Batch<CheckCall>, calls: readonly CheckCall[]): void {
    this.#batcher.commandStarted();
    const keys = calls.map(({ key }) => key);
    const tokens = calls.map(({ token }) => token);
    this.#scripts.run(checkScript, [keys, tokens]).then(
      (found) => {
        this.#batcher.commandEnded();
        calls.forEach((call, i) => {
          if (batch.settle(call)) call.resolve(found[i]!);
        });
      },
      (error: unknown) => {
        this.#batcher.commandEnded();
        for (const call of calls) batch.reject(call, error);
      },
    );
  }
}
