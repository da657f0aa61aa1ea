import { changeChannel, encodeChanges } from '../changes/change-message.js';
import type { ScriptRunner } from '../commands/script.js';
import { Batch, TickBatcher, type BatchedCall } from '../commands/tick-batcher.js';
import { channelOf } from '../connection/redis-connection.js';
import type { Topology } from '../connection/topology.js';
import type { EntryReaderSettings } from './entry-reader.js';
import { removeScript } from './entry-scripts.js';

interface RemoveCall extends BatchedCall {
  readonly keys: readonly string[];
  readonly resolve: () => void;
}

/** The maximum number of keys in one script. Redis serves no other client while it runs. */
const MAX_KEYS = 256;

/**
 * Removes entries. The removals of one tick are sent as one script (in a Cluster as one for each slot), with one message
 * for all of its keys: in a storm of invalidations, every other process has few messages to read.
 */
export class EntryRemover {
  readonly #scripts: ScriptRunner;
  readonly #topology: Topology;
  readonly #namespace: string;
  readonly #sender: string;
  readonly #batcher: TickBatcher<Batch<RemoveCall>>;

  /** @param sender identifies this process in messages about changes */
  constructor(
    topology: Topology,
    scripts: ScriptRunner,
    namespace: string,
    sender: string,
    settings: EntryReaderSettings,
  ) {
    this.#scripts = scripts;
    this.#topology = topology;
    this.#namespace = namespace;
    this.#sender = sender;
    const batchSettings = { ...settings, label: `remove on ${topology.where}` };
    this.#batcher = new TickBatcher(
      () => new Batch<RemoveCall>(batchSettings),
      MAX_KEYS,
      (batch) => this.#send(batch),
    );
  }

  /** Resolves when all of the keys are removed. @throws StoreUnavailableError if that is not known of one of them */
  remove(keys: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#batcher.batchFor(1).add({ keys, resolve, reject, isSettled: false }, undefined);
    });
  }

  /** Removes keys, and the mark of a write at each of them. */
  async removeMarked(keys: readonly string[], mark: string): Promise<void> {
    await Promise.all(this.groups(keys).map((group) => this.#runScript(group, mark)));
  }

  #send(batch: Batch<RemoveCall>): void {
    const removed = new Map<string, Promise<void>>();
    for (const group of this.groups(new Set(batch.calls.flatMap(({ keys }) => keys)))) {
      this.#batcher.commandStarted();
      const script = this.#runScript(group).finally(() => this.#batcher.commandEnded());
      for (const key of group) removed.set(key, script);
    }
    for (const call of batch.calls) {
      // A call fails with its own keys only.
      const scripts = new Set(call.keys.map((key) => removed.get(key)!));
      Promise.all(scripts).then(
        () => {
          if (batch.settle(call)) call.resolve();
        },
        (error: unknown) => batch.reject(call, error),
      );
    }
  }

  async #runScript(keys: readonly string[], mark = ''): Promise<void> {
    const redisKeys = keys.map((key) => this.#scripts.storeKey(key));
    await this.#scripts.run(removeScript, [
      keys,
      mark,
      channelOf(this.#namespace),
      changeChannel(this.#namespace),
      encodeChanges(this.#sender, redisKeys),
    ]);
  }

  /** Splits keys into groups of one slot each, with at most `MAX_KEYS` keys. */
  groups(keys: Iterable<string>): string[][] {
    const { slotOf } = this.#topology;
    const openGroups = new Map<number, string[]>();
    const groups: string[][] = [];
    for (const key of keys) {
      const slot = slotOf === undefined ? 0 : slotOf(this.#scripts.storeKey(key));
      let group = openGroups.get(slot);
      if (group === undefined || group.length >= MAX_KEYS) {
        groups.push((group = []));
        openGroups.set(slot, group);
      }
      group.push(key);
    }
    return groups;
  }
}
