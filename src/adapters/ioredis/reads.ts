import type { Buffer } from 'node:buffer';
import { StoreUnavailableError } from '../../core/errors.js';
import type { Clock, Snapshot } from '../../core/ports.js';
import type { Breaker } from './breaker.js';
import { unavailable } from './failures.js';
import type { Keyspace } from './keyspace.js';
import type { Servers } from './servers.js';
import { SharedBudgets } from './shared-budgets.js';

export interface ReadSettings {
  readonly clock: Clock;
  /** In ms. */
  readonly timeout: number;
}

/** Keys in one command: enough to make a round trip cheap, few enough not to hold up the server's other clients. */
const LARGEST = 512;

/**
 * The hot path. All that is read within one tick goes out as one MGET (Cluster: one for each slot, in one write
 * for each node), and a nonce that many calls ask for is in it once.
 *
 * A call that finds nothing under way is sent at the end of its tick: it never waits for company. While something
 * is under way, calls are collected until the end of the event loop's turn, so that requests that came in on
 * different sockets travel together too.
 */
export class Reads {
  readonly #servers: Servers;
  readonly #keyspace: Keyspace;
  readonly #settings: ReadSettings;
  #batch: Batch | undefined;
  #underWay = 0;

  constructor(servers: Servers, keyspace: Keyspace, settings: ReadSettings) {
    this.#servers = servers;
    this.#keyspace = keyspace;
    this.#settings = settings;
  }

  /**
   * @param key undefined for the nonces alone
   * @throws StoreUnavailableError
   */
  read(key: string | undefined, nonceKeys: readonly string[], budget: number | undefined): Promise<Snapshot> {
    return new Promise((resolve, reject) => {
      let batch = this.#batch;
      if (batch === undefined || batch.keys.length + nonceKeys.length >= LARGEST) batch = this.#begin();
      const call = batch.add(key, nonceKeys, resolve, reject);
      const { clock, timeout } = this.#settings;
      if (budget !== undefined && budget < timeout) {
        batch.budgets.limit(clock, call, budget, `MGET on ${this.#servers.where}`, batch.reject);
      }
    });
  }

  #begin(): Batch {
    if (this.#batch !== undefined) this.#send(this.#batch);
    const batch = new Batch(this.#keyspace);
    this.#batch = batch;
    if (this.#underWay === 0) process.nextTick(this.#send, batch);
    else setImmediate(this.#send, batch);
    return batch;
  }

  readonly #send = (batch: Batch): void => {
    if (batch.sent) return;
    batch.sent = true;
    if (this.#batch === batch) this.#batch = undefined;
    if (batch.keys.length === 0) batch.settleAll([]);
    else if (this.#servers.slotOf === undefined) this.#sendWhole(batch);
    else this.#sendByNode(batch, this.#servers.slotOf);
  };

  #sendWhole(batch: Batch): void {
    const { keys } = batch;
    this.#start(
      this.#servers.breakerOf(keys[0]!),
      // Not GET, even for one key: a key of another type counts as absent.
      () => this.#servers.client.mgetBuffer(keys),
      (replies) => batch.settleAll(replies),
      (error) => batch.rejectAll(error),
    );
  }

  /** A call is settled when the last node that it needs has answered. */
  #sendByNode(batch: Batch, slotOf: (key: string) => number): void {
    const shares = new Map<Breaker, Share>();
    const shareOf = batch.keys.map((key, place) => {
      const slot = slotOf(key);
      const breaker = this.#servers.breakerOf(key, slot);
      let share = shares.get(breaker);
      if (share === undefined) shares.set(breaker, (share = { commands: new Map(), calls: [] }));
      const command = share.commands.get(slot);
      if (command === undefined) share.commands.set(slot, { keys: [key], places: [place] });
      else {
        command.keys.push(key);
        command.places.push(place);
      }
      return share;
    });
    for (const call of batch.calls) batch.await(call, shareOf);
    const replies: Replies = Array.from({ length: batch.keys.length }, () => null);
    this.#servers.gather();
    for (const [breaker, { commands, calls }] of shares) {
      this.#start(
        breaker,
        () => this.#getBySlot(commands, replies),
        () => {
          for (const call of calls) if (--call.shares === 0) batch.settle(call, replies);
        },
        (error) => {
          for (const call of calls) batch.reject(call, error);
        },
      );
    }
  }

  /**
   * No command may carry keys of two slots, not even of one node. Resolves when all have been answered; a command
   * that failed leaves its error in the place of its replies. Rejects if all have failed.
   */
  #getBySlot(commands: ReadonlyMap<number, Command>, replies: Replies): Promise<void> {
    const { client, where } = this.#servers;
    return new Promise((resolve, reject) => {
      let left = commands.size;
      let failed = 0;
      const done = (error?: unknown): void => {
        left -= 1;
        if (error !== undefined) failed += 1;
        if (left > 0) return;
        if (failed === commands.size) reject(error);
        else resolve();
      };
      for (const { keys, places } of commands.values()) {
        client.mgetBuffer(keys).then(
          (values) => {
            for (let i = 0; i < places.length; i++) replies[places[i]!] = values[i]!;
            done();
          },
          (error: unknown) => {
            const failure = unavailable('MGET', where, error);
            for (const place of places) replies[place] = failure;
            done(error);
          },
        );
      }
    });
  }

  #start<T>(
    breaker: Breaker,
    send: () => Promise<T>,
    resolve: (reply: T) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#underWay += 1;
    breaker.start(
      'MGET',
      send,
      (reply) => {
        this.#underWay -= 1;
        resolve(reply);
      },
      (error) => {
        this.#underWay -= 1;
        reject(error);
      },
    );
  }
}

interface Call {
  /** Where in the batch the entry stands; -1 for none. */
  readonly place: number;
  readonly nonces: NonceSet;
  readonly resolve: (snapshot: Snapshot) => void;
  readonly reject: (error: unknown) => void;
  /** Nodes of a Cluster that it still waits for. */
  shares: number;
  done: boolean;
}

/** The nonces that one or more calls of a batch ask for. */
interface NonceSet {
  readonly keys: readonly string[];
  /** Where in the batch they stand. */
  readonly places: readonly number[];
  values: readonly (string | null)[] | undefined;
  /** Nodes of a Cluster that they come from. */
  shares: readonly Share[] | undefined;
}

/** What one node of a Cluster is asked for. */
interface Share {
  /** By slot. */
  readonly commands: Map<number, Command>;
  readonly calls: Call[];
}

interface Command {
  readonly keys: string[];
  /** Where in the batch they stand. */
  readonly places: number[];
}

/** By place in the batch; an error where the command failed. */
type Replies = (Buffer | null | StoreUnavailableError)[];

/** What is read within one tick. */
class Batch {
  readonly keys: string[] = [];
  readonly calls: Call[] = [];
  readonly budgets = new SharedBudgets<Call>();
  readonly #keyspace: Keyspace;
  readonly #noncePlaces = new Map<string, number>();
  #lastNonces: NonceSet | undefined;
  #left = 0;
  sent = false;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  add(
    key: string | undefined,
    nonceKeys: readonly string[],
    resolve: (snapshot: Snapshot) => void,
    reject: (error: unknown) => void,
  ): Call {
    const nonces = this.#noncesOf(nonceKeys);
    const place = key === undefined ? -1 : this.keys.push(this.#keyspace.name(key)) - 1;
    const call: Call = { place, nonces, resolve, reject, shares: 0, done: false };
    this.calls.push(call);
    this.#left += 1;
    return call;
  }

  settleAll(replies: readonly (Buffer | null)[]): void {
    for (const call of this.calls) this.settle(call, replies);
  }

  rejectAll(error: unknown): void {
    for (const call of this.calls) this.reject(call, error);
  }

  /** Lets the call wait for the nodes that have what it asks for. */
  await(call: Call, shareOf: readonly Share[]): void {
    const { place, nonces } = call;
    nonces.shares ??= [...new Set(nonces.places.map((nonce) => shareOf[nonce]!))];
    for (const share of nonces.shares) share.calls.push(call);
    call.shares = nonces.shares.length;
    const own = place < 0 ? undefined : shareOf[place];
    if (own !== undefined && !nonces.shares.includes(own)) {
      own.calls.push(call);
      call.shares += 1;
    }
    if (call.shares === 0) this.settle(call, []);
  }

  settle(call: Call, replies: Replies | readonly (Buffer | null)[]): void {
    if (call.done) return;
    const { place, nonces } = call;
    const record = place < 0 ? null : replies[place]!;
    try {
      nonces.values ??= nonces.places.map((nonce) => text(replies[nonce]));
      if (record instanceof Error) throw record;
    } catch (error) {
      return this.reject(call, error);
    }
    this.#done(call);
    call.resolve({ record, nonces: nonces.values });
  }

  readonly reject = (call: Call, error: unknown): void => {
    if (call.done) return;
    this.#done(call);
    call.reject(error);
  };

  #done(call: Call): void {
    call.done = true;
    this.#left -= 1;
    if (this.#left === 0) this.budgets.end();
  }

  /** Callers mostly ask for the same nonces as the one before. */
  #noncesOf(keys: readonly string[]): NonceSet {
    const last = this.#lastNonces;
    if (
      last !== undefined &&
      last.keys.length === keys.length &&
      last.keys.every((key, i) => key === keys[i])
    ) {
      return last;
    }
    const places = keys.map((key) => {
      let place = this.#noncePlaces.get(key);
      if (place === undefined) {
        place = this.keys.push(this.#keyspace.name(key)) - 1;
        this.#noncePlaces.set(key, place);
      }
      return place;
    });
    const nonces: NonceSet = { keys, places, values: undefined, shares: undefined };
    this.#lastNonces = nonces;
    return nonces;
  }
}

function text(reply: Replies[number] | undefined): string | null {
  if (reply instanceof Error) throw reply;
  return reply?.toString('latin1') ?? null;
}
