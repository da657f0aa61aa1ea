import type {
  EntryStore,
  FillReply,
  Keeps,
  LeaseReply,
  MarkedKind,
  Snapshot,
  TagState,
} from '../../../core/ports/entry-store.js';
import { NO_TAG_CHANGES } from '../../../core/ports/tag-changes.js';
import type { ScriptRunner } from '../commands/script.js';
import type { Topology } from '../connection/topology.js';
import { changeChannel, encodeChanges } from '../changes/change-message.js';
import { channelOf } from '../connection/redis-connection.js';
import { markScript, unmarkScript } from './doubt-scripts.js';
import { EntryChecker } from './entry-checker.js';
import { EntryRemover } from './entry-remover.js';
import { EntryReader, type EntryReaderSettings } from './entry-reader.js';
import { StoreTimes } from './store-times.js';
import {
  extendScript,
  fillScript,
  getOrCreateNoncesScript,
  leaseScript,
  releaseScript,
  removeNoncesScript,
  touchScript,
} from './entry-scripts.js';

/**
 * Entries and nonces in Redis. Reads are MGETs (entry-reader.ts). Everything else is a script (entry-scripts.ts),
 * because a write depends on the record at the key. Every script may be repeated without harm.
 *
 * @see G1 and G7 in docs/coherence.md
 */
export class RedisEntryStore extends EntryReader implements Omit<EntryStore, 'replicated'> {
  readonly #scripts: ScriptRunner;
  readonly #topology: Topology;
  /** On which the ends of leases are published. */
  readonly #wakeChannel: string;
  readonly #changes: { readonly channel: string; readonly sender: string };
  readonly #checker: EntryChecker;
  readonly #remover: EntryRemover;
  readonly #times: StoreTimes;
  /** False if nobody asks when an entry ends. */
  readonly #readsStoreTime: boolean;

  /** @param sender identifies this process in messages about changes */
  constructor(
    topology: Topology,
    scripts: ScriptRunner,
    namespace: string,
    sender: string,
    settings: EntryReaderSettings & { readonly readsStoreTime: boolean },
  ) {
    super(topology, settings);
    this.#scripts = scripts;
    this.#topology = topology;
    this.#wakeChannel = channelOf(namespace);
    this.#changes = { channel: changeChannel(namespace), sender };
    this.#checker = new EntryChecker(scripts, topology, settings);
    this.#remover = new EntryRemover(topology, scripts, namespace, sender, settings);
    this.#times = new StoreTimes(scripts, settings.clock);
    this.#readsStoreTime = settings.readsStoreTime;
  }

  override read(
    key: string,
    nonceKeys: readonly string[],
    timeout?: number,
    known?: string,
  ): Promise<Snapshot> {
    if (known !== undefined) return this.#check(key, nonceKeys, timeout, known);
    const read = super.read(key, nonceKeys, timeout);
    return this.#readsStoreTime ? this.#withStoreTime(key, read) : read;
  }

  async #withStoreTime(key: string, read: Promise<Snapshot>): Promise<Snapshot> {
    const storeTime = this.#times.now(this.#serverOf(key), key);
    return { ...(await read), storeTime };
  }

  time(key: string, timeout?: number): Promise<number> {
    return this.#times.read(this.#serverOf(key), key, timeout);
  }

  /** The object that stands for the server of a key. */
  #serverOf(key: string): object {
    return this.#topology.breakerFor(this.#scripts.storeKey(key));
  }

  /** Reads the nonces and compares the token, both in the round trip of this tick. */
  async #check(
    key: string,
    nonceKeys: readonly string[],
    timeout: number | undefined,
    known: string,
  ): Promise<Snapshot> {
    const storeTime = this.#readsStoreTime ? this.#times.now(this.#serverOf(key), key) : undefined;
    const [found, nonces] = await Promise.all([
      this.#checker.check(key, known, timeout),
      this.nonces(nonceKeys, timeout),
    ]);
    return found === 'unchanged'
      ? { record: null, nonces, isUnchanged: true, storeTime }
      : { record: found, nonces, storeTime };
  }

  lease(
    key: string,
    token: string,
    leaseMs: number,
    replaces: string | undefined,
    timeout?: number,
    keeps?: Keeps,
  ): Promise<LeaseReply> {
    const message = replaces === '*' ? this.#changeMessage([key]) : '';
    return this.#scripts.run(
      leaseScript,
      [key, token, leaseMs, replaces, this.#changes.channel, message, keeps],
      timeout,
    );
  }

  extend(key: string, token: string, leaseMs: number): Promise<boolean> {
    return this.#scripts.run(extendScript, [key, token, leaseMs]);
  }

  fill(key: string, token: string, record: Uint8Array, until: number, announces = false): Promise<FillReply> {
    const message = announces ? this.#changeMessage([key]) : '';
    return this.#scripts.run(fillScript, [
      key,
      token,
      record,
      until,
      this.#wakeChannel,
      this.#changes.channel,
      message,
    ]);
  }

  touch(key: string, token: string): Promise<void> {
    return this.#scripts.run(touchScript, [key, token]);
  }

  release(key: string, token: string, retryAfterMs = 0, timeout?: number): Promise<boolean> {
    return this.#scripts.run(releaseScript, [key, token, this.#wakeChannel, retryAfterMs], timeout);
  }

  remove(keys: readonly string[], mark?: string): Promise<void> {
    return mark === undefined ? this.#remover.remove(keys) : this.#remover.removeMarked(keys, mark);
  }

  async mark(kind: MarkedKind, keys: readonly string[], token: string, ms: number): Promise<void> {
    const send = (group: readonly string[]): Promise<void> =>
      this.#scripts.run(markScript, [
        kind,
        group,
        token,
        ms,
        this.#wakeChannel,
        this.#changes.channel,
        this.#changeMessage(group),
      ]);
    await Promise.all(this.#remover.groups(keys).map(send));
  }

  async unmark(kind: MarkedKind, keys: readonly string[], token: string): Promise<void> {
    const send = (group: readonly string[]): Promise<void> =>
      this.#scripts.run(unmarkScript, [kind, group, token]);
    await Promise.all(this.#remover.groups(keys).map(send));
  }

  async getOrCreateNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string | undefined,
    fresh: string,
    ttlMs: number,
    timeout?: number,
  ): Promise<TagState> {
    if (nonceKeys.length === 0 && tagChangesKey === undefined) {
      return { nonces: [], ended: [], tagChanges: NO_TAG_CHANGES };
    }
    return this.#scripts.run(getOrCreateNoncesScript, [nonceKeys, tagChangesKey, fresh, ttlMs], timeout);
  }

  removeNonces(
    nonceKeys: readonly string[],
    tagChangesKey: string,
    buckets: readonly number[],
    fresh: string,
    mark = '',
  ): Promise<void> {
    const message = this.#changeMessage(nonceKeys);
    return this.#scripts.run(removeNoncesScript, [
      nonceKeys,
      tagChangesKey,
      buckets,
      fresh,
      mark,
      this.#changes.channel,
      message,
    ]);
  }

  #changeMessage(keys: readonly string[]): string {
    return encodeChanges(
      this.#changes.sender,
      keys.map((key) => this.#scripts.storeKey(key)),
    );
  }
}
