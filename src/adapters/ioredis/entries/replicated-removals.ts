import type { Clock, Timer } from '../../../core/ports/clock.js';
import type { EntryStore, Removal } from '../../../core/ports/entry-store.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { unavailable } from '../commands/redis-errors.js';
import { cutConnection } from '../connection/watch-client.js';
import type { RedisClient, Stream } from '../connection/client-types.js';
import type { Topology } from '../connection/topology.js';

/** A connection for commands that block it, and the entries over it. */
export interface BlockingConnection {
  readonly topology: Topology;
  readonly entries: Omit<EntryStore, 'replicated'>;
}

export interface ReplicatedRemovalsSettings {
  readonly clock: Clock;
  /** The deadline of a command, in ms. */
  readonly timeout: number;
}

interface Waiting {
  readonly removal: Removal;
  readonly keys: readonly string[];
  readonly count: number;
  readonly timeout: number;
  isSettled: boolean;
  readonly resolve: (replicas: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs removals on a connection of their own, and waits there until replicas have them: WAIT blocks its connection, and
 * counts the replicas that have what was written before the latest command of that connection. So a removal that ran on another
 * one, before a failover to a master without it, is not counted. The connection is opened by the first removal.
 *
 * Removals that arrive while it is blocked wait for the next WAIT, and share it if they ask for the same.
 */
export class ReplicatedRemovals {
  readonly #open: () => BlockingConnection;
  readonly #settings: ReplicatedRemovalsSettings;
  #connection: BlockingConnection | undefined;
  #queue: Waiting[] = [];
  #isWorking = false;
  #isClosed = false;

  constructor(open: () => BlockingConnection, settings: ReplicatedRemovalsSettings) {
    this.#open = open;
    this.#settings = settings;
  }

  /**
   * @param keys those that the removal removes, without the prefix of the client
   * @returns how many replicas have the removal; of several masters, the least
   * @throws StoreUnavailableError if that is not known
   */
  run(removal: Removal, keys: readonly string[], count: number, timeout: number): Promise<number> {
    if (this.#isClosed)
      return Promise.reject(new StoreUnavailableError('This Caching is closed.', 'refused'));
    return new Promise((resolve, reject) => {
      const deadline = this.#settings.clock.after(timeout + this.#settings.timeout, () =>
        waiting.reject(tooLate(timeout)),
      );
      const settle = <Value>(end: (value: Value) => void) => {
        return (value: Value): void => {
          waiting.isSettled = true;
          deadline.cancel();
          end(value);
        };
      };
      const waiting: Waiting = {
        ...{ removal, keys, count, timeout, isSettled: false },
        ...{ resolve: settle(resolve), reject: settle(reject) },
      };
      this.#queue.push(waiting);
      if (!this.#isWorking) void this.#work();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.topology.close();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let next = this.#nextGroup(); next.length > 0; next = this.#nextGroup()) {
      try {
        const replicas = await this.#ask(next, next[0]!);
        for (const { resolve } of next) resolve(replicas);
      } catch (error) {
        for (const { reject } of next) reject(error);
      }
    }
    this.#isWorking = false;
  }

  /** The removals that can share a WAIT with the first one. */
  #nextGroup(): readonly Waiting[] {
    this.#queue = this.#queue.filter(({ isSettled }) => !isSettled);
    const [head] = this.#queue;
    const isShared = (one: Waiting): boolean => one.count === head?.count && one.timeout === head.timeout;
    const group = this.#queue.filter(isShared);
    this.#queue = this.#queue.filter((one) => !isShared(one));
    return group;
  }

  async #ask(group: readonly Waiting[], { count, timeout }: Waiting): Promise<number> {
    const { topology, entries } = (this.#connection ??= this.#open());
    const keys = [...new Set(group.flatMap((one) => one.keys))].map((key) => topology.keyPrefix + key);
    // Waits until it is connected.
    await topology.breakerFor(keys[0]!).run('ping', () => topology.client.ping());
    const streams = (): readonly (Stream | undefined)[] | undefined =>
      topology.mastersOf(keys)?.map(({ stream }) => stream);
    const before = streams();
    await Promise.all(group.map(({ removal }) => removal(entries)));
    const masters = topology.mastersOf(keys);
    const after = streams();
    // guard: replicas-are-of-the-master-that-removed
    if (before === undefined || !before.every((stream, i) => stream === after?.[i])) throw changed(topology);
    if (masters === undefined) throw changed(topology);
    return this.#wait(topology, masters, count, timeout);
  }

  async #wait(
    topology: Topology,
    masters: readonly RedisClient[],
    count: number,
    timeout: number,
  ): Promise<number> {
    let deadline: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      deadline = this.#settings.clock.after(timeout + this.#settings.timeout, () => {
        for (const master of masters) cutConnection(master);
        reject(tooLate(timeout));
      });
    });
    const ask = (master: RedisClient): Promise<unknown> =>
      master.call('WAIT', String(count), String(Math.ceil(timeout)));
    try {
      const counts = Promise.all(masters.map(ask)) as Promise<number[]>;
      // guard: least-number-of-replicas-counts
      return Math.min(...(await Promise.race([counts, late])));
    } catch (error) {
      throw error instanceof StoreUnavailableError ? error : unavailable('wait', topology.where, error);
    } finally {
      deadline?.cancel();
    }
  }
}

function changed({ where }: Topology): StoreUnavailableError {
  return new StoreUnavailableError(`The connection to ${where} has changed during the removal.`, 'unknown');
}

function tooLate(timeout: number): StoreUnavailableError {
  return new StoreUnavailableError(`Redis has not answered WAIT, which was given ${timeout} ms.`, 'unknown');
}
