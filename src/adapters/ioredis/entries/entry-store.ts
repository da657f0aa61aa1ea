import type { EntryStore, FillReply, LeaseReply, TagState } from '../../../core/ports/entry-store.js';
import { NO_TAG_CHANGES } from '../../../core/ports/tag-changes.js';
import type { ScriptRunner } from '../commands/script.js';
import type { Topology } from '../connection/topology.js';
import { EntryReader, type EntryReaderSettings } from './entry-reader.js';
import {
  extendScript,
  fillScript,
  getOrCreateNoncesScript,
  leaseScript,
  releaseScript,
  removeNoncesScript,
  removeScript,
} from './entry-scripts.js';

/** The maximum number of keys in one script. Redis serves no other client while it runs. */
const MAX_KEYS = 256;

/**
 * Entries and nonces in Redis. Reads are MGETs (entry-reader.ts). Everything else is a script (entry-scripts.ts),
 * because a write depends on the record at the key. Every script may be repeated without harm.
 *
 * @see G1 and G7 in docs/coherence.md
 */
export class RedisEntryStore extends EntryReader implements EntryStore {
  readonly #scripts: ScriptRunner;
  readonly #topology: Topology;
  readonly #channel: string;

  /** @param channel on which the ends of leases are published */
  constructor(topology: Topology, scripts: ScriptRunner, channel: string, settings: EntryReaderSettings) {
    super(topology, settings);
    this.#scripts = scripts;
    this.#topology = topology;
    this.#channel = channel;
  }

  lease(
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
    timeout?: number,
  ): Promise<LeaseReply> {
    return this.#scripts.run(leaseScript, [key, token, leaseMs, replaces], timeout);
  }

  extend(key: string, token: string, leaseMs: number): Promise<boolean> {
    return this.#scripts.run(extendScript, [key, token, leaseMs]);
  }

  fill(key: string, token: string, record: Uint8Array, until: number): Promise<FillReply> {
    return this.#scripts.run(fillScript, [key, token, record, until, this.#channel]);
  }

  release(key: string, token: string): Promise<boolean> {
    return this.#scripts.run(releaseScript, [key, token, this.#channel]);
  }

  async remove(keys: readonly string[]): Promise<void> {
    await Promise.all(
      this.#keyGroups(keys).map((group) => this.#scripts.run(removeScript, [group, this.#channel])),
    );
  }

  async getOrCreateNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string | undefined,
    fresh: string,
    ttlMs: number,
    timeout?: number,
  ): Promise<TagState> {
    if (nonceKeys.length === 0 && tagChangesKey === undefined) {
      return { nonces: [], tagChanges: NO_TAG_CHANGES };
    }
    return this.#scripts.run(getOrCreateNoncesScript, [nonceKeys, tagChangesKey, fresh, ttlMs], timeout);
  }

  removeNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
  ): Promise<void> {
    return this.#scripts.run(removeNoncesScript, [nonceKeys, tagChangesKey, buckets, fresh]);
  }

  /** Splits keys into groups of one slot each, with at most `MAX_KEYS` keys. */
  #keyGroups(keys: readonly string[]): string[][] {
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
