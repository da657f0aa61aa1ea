import type { Buffer } from 'node:buffer';
import type { Clock } from '../../../core/ports/clock.js';
import type { Snapshot } from '../../../core/ports/entry-store.js';
import type { StoreUnavailableError } from '../../../core/shared/errors.js';
import type { CircuitBreaker } from '../commands/circuit-breaker.js';
import { groupsBySlot } from '../commands/cluster-slot.js';
import { replyCode, unavailable } from '../commands/redis-errors.js';
import { Batch, TickBatcher, type BatchedCall, type BatchSettings } from '../commands/tick-batcher.js';
import type { Topology } from '../connection/topology.js';
import { readAcrossSlots } from './read-across-slots.js';

export interface EntryReaderSettings {
  readonly clock: Clock;
  /** In ms. */
  readonly timeout: number;
}

/** The maximum number of keys in one command. More would delay the server's other clients. */
const MAX_KEYS = 512;

/**
 * Reads entries and nonces: the hot path. All reads of one tick are sent as one MGET (in a Cluster as one script for each
 * node; before Redis 7 as one MGET for each slot, in one write for each node). A nonce that several calls need is read
 * once.
 */
export class EntryReader {
  readonly #topology: Topology;
  readonly #batcher: TickBatcher<ReadBatch>;
  /** False: the Cluster is older than Redis 7. */
  #readsAcrossSlots = true;

  constructor(topology: Topology, settings: EntryReaderSettings) {
    this.#topology = topology;
    const batchSettings = { ...settings, label: `MGET on ${topology.where}` };
    this.#batcher = new TickBatcher<ReadBatch>(
      () => new ReadBatch(batchSettings, topology.keyPrefix),
      MAX_KEYS,
      (batch) => this.#send(batch),
    );
  }

  /**
   * Reads one entry and its nonces.
   *
   * @param timeout the caller's own deadline, in ms
   * @throws StoreUnavailableError
   */
  read(key: string, nonceKeys: readonly string[], timeout?: number): Promise<Snapshot> {
    return this.#read(key, nonceKeys, timeout);
  }

  /** Reads nonces without an entry. @throws StoreUnavailableError */
  async nonces(nonceKeys: readonly string[], timeout?: number): Promise<readonly (string | null)[]> {
    return (await this.#read(undefined, nonceKeys, timeout)).nonces;
  }

  #read(
    key: string | undefined,
    nonceKeys: readonly string[],
    timeout: number | undefined,
  ): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      const batch = this.#batcher.batchFor(nonceKeys.length + 1);
      batch.read(key, nonceKeys, timeout, resolve, reject);
    });
  }

  #send(batch: ReadBatch): void {
    if (batch.keys.length === 0) batch.resolveAll([]);
    else if (this.#topology.slotOf === undefined) this.#sendWhole(batch);
    else this.#sendByNode(batch, this.#topology.slotOf);
  }

  #sendWhole(batch: ReadBatch): void {
    const { keys } = batch;
    this.#start(
      this.#topology.breakerFor(keys[0]!),
      // MGET even for one key: unlike GET, it returns null for a key of another type.
      () => this.#topology.client.mgetBuffer(keys),
      (replies) => batch.resolveAll(replies),
      (error) => batch.rejectAll(error),
    );
  }

  /** Sends a command for each node. A call is settled when the last of its nodes has replied. */
  #sendByNode(batch: ReadBatch, slotOf: (key: string) => number): void {
    const nodes = new Map<CircuitBreaker, NodeBatch>();
    const nodeOf = batch.keys.map((key, index) => {
      const slot = slotOf(key);
      const breaker = this.#topology.breakerFor(key, slot);
      let node = nodes.get(breaker);
      if (node === undefined) nodes.set(breaker, (node = { keys: [], slots: [], indexes: [], calls: [] }));
      node.keys.push(key);
      node.slots.push(slot);
      node.indexes.push(index);
      return node;
    });
    for (const call of batch.calls) batch.awaitNodes(call, nodeOf);
    const replies: Replies = Array.from({ length: batch.keys.length }, () => null);
    this.#topology.corkWrites();
    for (const [breaker, node] of nodes) {
      this.#start(
        breaker,
        () => this.#getFromNode(node, replies),
        () => {
          for (const call of node.calls) if (--call.pendingNodes === 0) batch.resolve(call, replies);
        },
        (error) => {
          for (const call of node.calls) batch.reject(call, error);
        },
      );
    }
  }

  /**
   * Reads the keys of one node. Resolves when all are read; an error takes the place of a reply. Rejects if the node
   * replies to nothing.
   */
  async #getFromNode(node: NodeKeys, replies: Replies): Promise<void> {
    const { keys, slots, indexes } = node;
    const hasManySlots = slots.some((slot) => slot !== slots[0]);
    const client = hasManySlots && this.#readsAcrossSlots ? this.#topology.masterOf(slots[0]!) : undefined;
    if (client === undefined) return this.#getBySlot(node, replies);
    let values: readonly (Buffer | null | Error)[];
    try {
      values = await readAcrossSlots(client, keys);
    } catch (error) {
      const code = replyCode(error);
      if (code === undefined) throw error;
      // guard: old-cluster-is-read-slot-by-slot
      if (code === 'ERR') this.#readsAcrossSlots = false;
      return this.#getBySlot(node, replies);
    }
    let moved: NodeKeys | undefined;
    values.forEach((value, i) => {
      if (value instanceof Error) {
        moved ??= { keys: [], slots: [], indexes: [] };
        moved.keys.push(keys[i]!);
        moved.slots.push(slots[i]!);
        moved.indexes.push(indexes[i]!);
      } else {
        replies[indexes[i]!] = value;
      }
    });
    // The errors of these commands stand in place of their replies.
    // guard: moved-slot-is-read-where-it-is
    if (moved !== undefined) await this.#getBySlot(moved, replies).catch(() => {});
  }

  /**
   * Sends the commands for one node. A command may only have keys of one slot, even if one node has several slots.
   * Resolves when all of them are settled; if a command fails, its error is stored in place of its replies. Rejects if
   * all of them fail.
   */
  #getBySlot({ keys, slots, indexes }: NodeKeys, replies: Replies): Promise<void> {
    const { client, where } = this.#topology;
    const commands = groupsBySlot([...slots.keys()], (at) => slots[at]!);
    return new Promise((resolve, reject) => {
      let pending = commands.length;
      let failures = 0;
      const done = (error?: unknown): void => {
        pending -= 1;
        if (error !== undefined) failures += 1;
        if (pending > 0) return;
        if (failures === commands.length) reject(error);
        else resolve();
      };
      for (const places of commands) {
        client.mgetBuffer(places.map((at) => keys[at]!)).then(
          (values) => {
            places.forEach((at, i) => (replies[indexes[at]!] = values[i]!));
            done();
          },
          (error: unknown) => {
            const failure = unavailable('MGET', where, error);
            for (const at of places) replies[indexes[at]!] = failure;
            done(error);
          },
        );
      }
    });
  }

  #start<T>(
    breaker: CircuitBreaker,
    send: () => Promise<T>,
    resolve: (reply: T) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#batcher.commandStarted();
    breaker.start(
      'MGET',
      send,
      (reply) => {
        this.#batcher.commandEnded();
        resolve(reply);
      },
      (error) => {
        this.#batcher.commandEnded();
        reject(error);
      },
    );
  }
}

interface ReadCall extends BatchedCall {
  /** The index of the entry's key in the batch; -1 if only nonces are read. */
  readonly index: number;
  readonly nonces: NonceSet;
  readonly resolve: (snapshot: Snapshot) => void;
  /** The number of Cluster nodes that have not replied yet. */
  pendingNodes: number;
}

/** The nonces of one or several calls of a batch. */
interface NonceSet {
  readonly keys: readonly string[];
  /** The indexes of the keys in the batch. */
  readonly indexes: readonly number[];
  /** The replies, once they are decoded. */
  values: readonly (string | null)[] | undefined;
  /** The Cluster nodes that have them. */
  nodes: readonly NodeBatch[] | undefined;
}

/** Keys of one node of a Cluster, each with its slot and its index in the batch. */
interface NodeKeys {
  readonly keys: string[];
  readonly slots: number[];
  readonly indexes: number[];
}

/** The part of a batch that one node of a Cluster has. */
interface NodeBatch extends NodeKeys {
  readonly calls: ReadCall[];
}

/** By index of the key in the batch. An error: the command of this key failed. */
type Replies = (Buffer | null | StoreUnavailableError)[];

/** The reads of one batch: the keys of its command, and for each call the indexes of its replies. */
class ReadBatch extends Batch<ReadCall> {
  readonly keys: string[] = [];
  readonly #keyPrefix: string;
  readonly #nonceIndexes = new Map<string, number>();
  #lastNonces: NonceSet | undefined;

  constructor(settings: BatchSettings, keyPrefix: string) {
    super(settings);
    this.#keyPrefix = keyPrefix;
  }

  override get size(): number {
    return this.keys.length;
  }

  read(
    key: string | undefined,
    nonceKeys: readonly string[],
    timeout: number | undefined,
    resolve: (snapshot: Snapshot) => void,
    reject: (error: unknown) => void,
  ): void {
    const nonces = this.#noncesOf(nonceKeys);
    const index = key === undefined ? -1 : this.keys.push(this.#keyPrefix + key) - 1;
    this.add({ index, nonces, resolve, reject, pendingNodes: 0, isSettled: false }, timeout);
  }

  resolveAll(replies: readonly (Buffer | null)[]): void {
    for (const call of this.calls) this.resolve(call, replies);
  }

  /** Adds the call to the nodes that have its keys. */
  awaitNodes(call: ReadCall, nodeOf: readonly NodeBatch[]): void {
    const { index, nonces } = call;
    nonces.nodes ??= [...new Set(nonces.indexes.map((nonce) => nodeOf[nonce]!))];
    for (const node of nonces.nodes) node.calls.push(call);
    call.pendingNodes = nonces.nodes.length;
    const entryNode = index < 0 ? undefined : nodeOf[index];
    if (entryNode !== undefined && !nonces.nodes.includes(entryNode)) {
      entryNode.calls.push(call);
      call.pendingNodes += 1;
    }
    if (call.pendingNodes === 0) this.resolve(call, []);
  }

  resolve(call: ReadCall, replies: Replies | readonly (Buffer | null)[]): void {
    if (call.isSettled) return;
    const { index, nonces } = call;
    const record = index < 0 ? null : replies[index]!;
    try {
      nonces.values ??= nonces.indexes.map((nonce) => nonceText(replies[nonce]));
      if (record instanceof Error) throw record;
    } catch (error) {
      return this.reject(call, error);
    }
    this.settle(call);
    call.resolve({ record, nonces: nonces.values });
  }

  /** Reuses the set of the previous call if it has the same nonces, as it mostly does. */
  #noncesOf(keys: readonly string[]): NonceSet {
    const last = this.#lastNonces;
    if (
      last !== undefined &&
      last.keys.length === keys.length &&
      last.keys.every((key, i) => key === keys[i])
    ) {
      return last;
    }
    const indexes = keys.map((key) => {
      let index = this.#nonceIndexes.get(key);
      if (index === undefined) {
        index = this.keys.push(this.#keyPrefix + key) - 1;
        this.#nonceIndexes.set(key, index);
      }
      return index;
    });
    const nonces: NonceSet = { keys, indexes, values: undefined, nodes: undefined };
    this.#lastNonces = nonces;
    return nonces;
  }
}

function nonceText(reply: Replies[number] | undefined): string | null {
  if (reply instanceof Error) throw reply;
  return reply?.toString('latin1') ?? null;
}
