import type { Clock } from '../../../core/ports/clock.js';
import type { LockRequest } from '../../../core/ports/lock-store.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { ReleaseRetries } from '../../../core/shared/release-retries.js';
import { groupsBySlot } from '../commands/cluster-slot.js';
import { toWholeMs, type ScriptRunner } from '../commands/script.js';
import type { Topology } from '../connection/topology.js';
import { acquireScript, type AcquireReply } from './acquire-scripts.js';
import { abandonScript, extendScript, releaseScript } from './held-scripts.js';

export interface LockServerSettings {
  readonly clock: Clock;
  /** In ms. */
  readonly timeout: number;
  /** Where releases are published. */
  readonly channel: string;
  /** True: grants of exclusive locks get fencing tokens. */
  readonly isFenced: boolean;
}

/** What a server says to a request. The `outcome` of an error tells whether the locks may be held all the same. */
export type ServerReply = AcquireReply | StoreUnavailableError;

/** Locks on one server or Cluster. Every verb ends within the deadline of a command. */
export class LockServer {
  readonly #topology: Topology;
  readonly #scripts: ScriptRunner;
  readonly #settings: LockServerSettings;
  readonly #releases: ReleaseRetries;
  readonly #cleanUps = new Set<Promise<unknown>>();

  constructor(topology: Topology, scripts: ScriptRunner, settings: LockServerSettings) {
    this.#topology = topology;
    this.#scripts = scripts;
    this.#settings = settings;
    this.#releases = new ReleaseRetries(settings.clock);
  }

  /** For messages. */
  get where(): string {
    return this.#topology.where;
  }

  /** When a lease of this length ends, by the clock, if it is granted now. */
  endOf(leaseMs: number): number {
    return this.#settings.clock.now() + leaseMs;
  }

  /** All keys of the request, or none. Never rejects. */
  async acquire(request: LockRequest, owner: string, timeout: number | undefined): Promise<ServerReply> {
    try {
      if (!this.#isSpread(request.keys)) {
        return await this.#acquireGroup(request, request.keys, owner, undefined, timeout);
      }
      return await this.#acquireBySlot(request, owner, timeout);
    } catch (error) {
      if (error instanceof StoreUnavailableError) return error;
      return new StoreUnavailableError(`acquire on ${this.where} failed: ${String(error)}`, 'unknown', {
        cause: error,
      });
    }
  }

  /**
   * Moves the end of the lease to `leaseMs` from now. False: one of the locks is not the owner's any more.
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
    // One lost lock is enough, whatever the others are.
    if (extended.includes(false)) return false;
    if (failure !== undefined) throw failure;
    return true;
  }

  /**
   * Releases the locks and wakes the waiters. A release that fails is retried until `until`, when the leases have ended.
   * @throws StoreUnavailableError if the first attempt fails
   */
  release(request: LockRequest, owner: string, until: number): Promise<void> {
    return this.#release(request.keys, owner, until);
  }

  /**
   * Releases what an attempt that failed may have left here, in the background. If the reply is known, the command is
   * written before any that follow, so that the next attempt does not find the lock held by this owner.
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

  /** Leaves a queue, or withdraws a pending writer. @throws StoreUnavailableError */
  async abandon({ keys, ticket }: LockRequest): Promise<void> {
    await this.#forEachSlot(keys, (group) =>
      this.#scripts.run(abandonScript, [group, ticket, this.#settings.channel]),
    );
  }

  /** Resolves when the releases in progress have been answered; it starts no more. */
  async close(): Promise<void> {
    this.#releases.close();
    await Promise.allSettled(this.#cleanUps);
  }

  #acquireGroup(
    { leaseMs, permits, ticket, ticketMs }: LockRequest,
    keys: readonly string[],
    owner: string,
    least: bigint | undefined,
    timeout: number | undefined,
  ): Promise<AcquireReply> {
    const { channel, isFenced } = this.#settings;
    const from = isFenced && permits === 1 ? (least ?? 0n) : undefined;
    return this.#scripts.run(
      acquireScript(permits),
      [{ keys, owner, leaseMs: toWholeMs(leaseMs), permits, ticket, ticketMs, least: from, channel }],
      timeout,
    );
  }

  /**
   * Slot after slot, always in the same order, so that two requests for the same locks meet at the first. All locks get the
   * same fencing token, larger than any that one of them has had.
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
      const reply = await this.#acquireGroup(request, group, owner, largest, end - clock.now());
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
    const attempt = (within?: number): Promise<unknown> =>
      this.#forEachSlot(keys, (group) =>
        this.#scripts.run(releaseScript, [group, owner, this.#settings.channel], within),
      );
    try {
      await attempt(timeout);
    } catch (error) {
      // guard: failed-release-is-retried
      this.#releases.add(() => attempt(), until);
      throw error;
    }
  }

  #isSpread(keys: readonly string[]): boolean {
    return keys.length > 1 && this.#topology.slotOf !== undefined;
  }

  /** Runs for the keys of each slot, in parallel. Rejects, when all are done, if one does. */
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

/** The server may hold the lock, or may yet come to hold it. */
export function mayHoldLock(reply: ServerReply): boolean {
  // guard: unanswered-request-is-released
  return reply instanceof Error ? reply.outcome === 'unknown' : reply.granted;
}
