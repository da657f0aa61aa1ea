import type { Clock } from '../../../core/ports/clock.js';
import type { LockRequest } from '../../../core/ports/lock-store.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { ReleaseRetries } from '../../../core/shared/release-retries.js';
import { groupsBySlot } from '../commands/cluster-slot.js';
import { toWholeMs, type ScriptRunner } from '../commands/script.js';
import type { Topology } from '../connection/topology.js';
import { acquireSharedScript } from './acquire-shared-script.js';
import { abandonScript, extendScript } from './held-scripts.js';
import { lockBatcher, type LockBatcher } from './lock-batcher.js';
import type { AcquireReply } from './lock-script.js';

export interface LockServerSettings {
  readonly clock: Clock;
  /** In ms. */
  readonly timeout: number;
  /** The channel on which releases are published. */
  readonly channel: string;
  /** True: grants of exclusive locks get fencing tokens. */
  readonly isFenced: boolean;
}

/**
 * The reply of a server to a request. If it is an error with the `outcome` `unknown`, the locks may have been acquired.
 */
export type ServerReply = AcquireReply | StoreUnavailableError;

/** Locks on one server or Cluster. Every verb settles within the deadline of a command. */
export class LockServer {
  readonly #topology: Topology;
  readonly #scripts: ScriptRunner;
  readonly #settings: LockServerSettings;
  readonly #batcher: LockBatcher;
  readonly #releases: ReleaseRetries;
  readonly #cleanUps = new Set<Promise<unknown>>();

  constructor(topology: Topology, scripts: ScriptRunner, settings: LockServerSettings) {
    this.#topology = topology;
    this.#scripts = scripts;
    this.#settings = settings;
    this.#batcher = lockBatcher(scripts, topology, settings.channel, settings);
    this.#releases = new ReleaseRetries(settings.clock);
  }

  /** The address, for messages, without password. */
  get where(): string {
    return this.#topology.where;
  }

  /** Returns when a lease that is granted now ends, by the clock. */
  endOf(leaseMs: number): number {
    return this.#settings.clock.now() + leaseMs;
  }

  /** Acquires all keys of the request, or none. Never rejects. */
  async acquire(request: LockRequest, owner: string, timeout: number | undefined): Promise<ServerReply> {
    try {
      return await (this.#isSpread(request.keys)
        ? this.#acquireBySlot(request, owner, timeout)
        : this.#acquireGroup(request, request.keys, owner, 0n, timeout));
    } catch (error) {
      if (error instanceof StoreUnavailableError) return error;
      return new StoreUnavailableError(`acquire on ${this.where} failed: ${String(error)}`, 'unknown', {
        cause: error,
      });
    }
  }

  /**
   * Extends the lease to `leaseMs` from now.
   *
   * @returns false if the owner has lost at least one of the locks
   * @throws StoreUnavailableError
   */
  async extend(request: LockRequest, owner: string, leaseMs: number): Promise<boolean> {
    const isFenced = this.#settings.isFenced && request.permits === 1;
    let failure: unknown;
    const extended = await this.#forEachSlot(request.keys, (group) =>
      this.#scripts
        .run(extendScript, [group, owner, toWholeMs(leaseMs), isFenced])
        .catch((error: unknown) => {
          failure = error;
        }),
    );
    // If one lock is lost, the lease is lost, whatever the other replies are.
    if (extended.includes(false)) return false;
    if (failure !== undefined) throw failure;
    return true;
  }

  /**
   * Releases the locks and wakes the waiters. A release that fails is retried until `until`, when the leases have
   * ended.
   *
   * @throws StoreUnavailableError if the first attempt fails
   */
  release(request: LockRequest, owner: string, until: number): Promise<void> {
    return this.#release(request.keys, owner, until);
  }

  /**
   * Releases the locks that a failed attempt may have acquired here, in the background. If the reply is known, the
   * command is written before any later command, so that the next attempt does not find the lock held by this owner.
   */
  cleanUp(
    request: LockRequest,
    owner: string,
    reply: ServerReply | Promise<ServerReply>,
    until: number,
  ): void {
    const release = async (known: ServerReply): Promise<void> => {
      if (mayHoldLock(known)) await this.release(request, owner, until).catch(() => {});
    };
    const released = reply instanceof Promise ? reply.then(release) : release(reply);
    const settled = released.finally(() => this.#cleanUps.delete(settled));
    this.#cleanUps.add(settled);
  }

  /** Removes the ticket of the request from its queue, or its pending writer. @throws StoreUnavailableError */
  async abandon({ keys, ticket }: LockRequest): Promise<void> {
    await this.#forEachSlot(keys, (group) =>
      this.#scripts.run(abandonScript, [group, ticket, this.#settings.channel]),
    );
  }

  /** Stops retries of releases, and resolves when those in progress are settled. */
  async close(): Promise<void> {
    this.#releases.close();
    await Promise.allSettled(this.#cleanUps);
  }

  #acquireGroup(
    { leaseMs, permits, ticket, ticketMs }: LockRequest,
    keys: readonly string[],
    owner: string,
    minimum: bigint,
    timeout: number | undefined,
  ): Promise<AcquireReply> {
    const { channel, isFenced } = this.#settings;
    if (permits === 1) {
      const least = isFenced ? minimum : undefined;
      const operation = { kind: 'acquire', keys, owner, leaseMs, ticket, ticketMs, least } as const;
      return this.#batcher.run(operation, timeout) as Promise<AcquireReply>;
    }
    const request = { keys, owner, leaseMs, permits, ticket, ticketMs, channel };
    return this.#scripts.run(acquireSharedScript, [request], timeout);
  }

  /**
   * Acquires slot after slot, always in the same order, so that of two requests for the same locks one is refused at
   * the first slot. All locks get the same fencing token, which is larger than every earlier one of each of them.
   * Releases all if one is refused.
   */
  async #acquireBySlot(
    request: LockRequest,
    owner: string,
    ownTimeout: number | undefined,
  ): Promise<AcquireReply> {
    const { clock, timeout } = this.#settings;
    const end = clock.now() + Math.min(ownTimeout ?? timeout, timeout);
    const tokens = new Map<readonly string[], bigint | undefined>();
    let largest: bigint | undefined;
    const acquire = async (group: readonly string[]): Promise<AcquireReply> => {
      tokens.set(group, undefined);
      const reply = await this.#acquireGroup(request, group, owner, largest ?? 0n, end - clock.now());
      if (!reply.granted) return reply;
      tokens.set(group, reply.token);
      if (reply.token !== undefined && (largest === undefined || reply.token > largest)) {
        largest = reply.token;
      }
      return reply;
    };
    const acquireAll = async (): Promise<AcquireReply> => {
      for (const group of this.#groupsOf(request.keys)) {
        const reply = await acquire(group);
        if (!reply.granted) return reply;
      }
      // guard: every-slot-has-the-largest-fence
      for (const [group, token] of tokens) {
        const reply = token === largest ? undefined : await acquire(group);
        if (reply?.granted === false) return reply;
      }
      return { granted: true, token: largest };
    };
    let isGranted = false;
    try {
      const reply = await acquireAll();
      isGranted = reply.granted;
      return reply;
    } finally {
      if (!isGranted) {
        const keys = [...tokens.keys()].flat();
        await this.#release(keys, owner, this.endOf(request.leaseMs), end - clock.now()).catch(() => {});
      }
    }
  }

  async #release(keys: readonly string[], owner: string, until: number, timeout?: number): Promise<void> {
    try {
      await this.#releaseOnce(keys, owner, timeout);
    } catch (error) {
      // guard: failed-release-is-retried
      this.#releases.add(() => this.#releaseOnce(keys, owner), until);
      throw error;
    }
  }

  #releaseOnce(keys: readonly string[], owner: string, timeout?: number): Promise<unknown> {
    if (!this.#isSpread(keys)) return this.#batcher.run({ kind: 'release', keys, owner }, timeout);
    return this.#forEachSlot(keys, (group) =>
      this.#batcher.run({ kind: 'release', keys: group, owner }, timeout),
    );
  }

  #isSpread(keys: readonly string[]): boolean {
    return keys.length > 1 && this.#topology.slotOf !== undefined;
  }

  /** Runs a function for the keys of each slot, in parallel. If one rejects, it rejects when all are settled. */
  async #forEachSlot<T>(
    keys: readonly string[],
    run: (group: readonly string[]) => Promise<T>,
  ): Promise<T[]> {
    if (!this.#isSpread(keys)) return [await run(keys)];
    const results = await Promise.allSettled(this.#groupsOf(keys).map(run));
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }

  #groupsOf(keys: readonly string[]): readonly (readonly string[])[] {
    return groupsBySlot(keys, (key) => this.#topology.slotOf?.(this.#scripts.storeKey(key)) ?? 0);
  }
}

/** True if the lock is acquired, or may be acquired by a command that is still on its way. */
export function mayHoldLock(reply: ServerReply): boolean {
  // guard: unanswered-request-is-released
  return reply instanceof Error ? reply.outcome === 'unknown' : reply.granted;
}
