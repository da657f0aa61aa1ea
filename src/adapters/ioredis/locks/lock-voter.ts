import { StoreUnavailableError } from '../../../core/errors.js';
import type { Clock, LockRequest } from '../../../core/ports.js';
import { ReleaseRetries } from '../../../core/release-retries.js';
import { acquireScript, type AcquireReply } from './acquire-scripts.js';
import { mayStand, type Ballot, type Vote } from './ballot.js';
import { abandonScript, extendScript, releaseScript } from './held-scripts.js';
import type { Scripts } from '../scripts.js';
import type { Servers } from '../servers.js';
import { groupsBySlot } from '../slots.js';

export interface VoterSettings {
  readonly clock: Clock;
  readonly timeout: number;
  readonly channel: string;
  /** Fencing tokens are wanted. */
  readonly fenced: boolean;
}

/**
 * One server (or Cluster) that locks stand on, in the shape in which redlock asks for a vote: a client with two
 * commands. The resource that redlock was given, and passes on, is the ballot; every vote is cast within the deadline
 * of a command.
 */
export class LockVoter {
  readonly #place: number;
  readonly #servers: Servers;
  readonly #scripts: Scripts;
  readonly #settings: VoterSettings;
  readonly #releases: ReleaseRetries;
  readonly #underWay = new Set<Promise<unknown>>();

  /** @param place of this voter among all */
  constructor(place: number, servers: Servers, scripts: Scripts, settings: VoterSettings) {
    this.#place = place;
    this.#servers = servers;
    this.#scripts = scripts;
    this.#settings = settings;
    this.#releases = new ReleaseRetries(settings.clock);
  }

  /** For messages. */
  get where(): string {
    return this.#servers.where;
  }

  /** redlock votes: 1 for, 0 against, an error against. */
  evalsha(sha: string, _count: number, args: readonly unknown[]): Promise<number> {
    const [ballot, owner, leaseMs] = args as [ballot: Ballot, owner: string, leaseMs: number];
    if (sha === releaseScript.sha) return this.#release(ballot, owner);
    if (sha === extendScript.sha) return this.#extend(ballot, owner, leaseMs);
    if (sha === acquireScript(1).sha) return this.#acquire(ballot, owner);
    throw new Error('Expected redlock to run the scripts that it was given.');
  }

  /** redlock asks so where a server has forgotten a script. `Scripts` has seen to that. */
  eval(_lua: string, _count: number, _args: readonly unknown[]): Promise<number> {
    throw new Error('Expected redlock to run scripts by their digest.');
  }

  /** Leaves a queue, or takes back a wish. */
  async abandon({ keys, ticket }: LockRequest): Promise<void> {
    await this.#each(keys, (group) =>
      this.#scripts.run(abandonScript, [group, ticket, this.#settings.channel]),
    );
  }

  /** Resolves when what is under way has been answered: no more is begun. */
  async close(): Promise<void> {
    this.#releases.close();
    await Promise.allSettled(this.#underWay);
  }

  async #acquire(ballot: Ballot, owner: string): Promise<number> {
    const asked = this.#vote(ballot, owner);
    ballot.asked[this.#place] = asked;
    const vote = await asked;
    ballot.votes[this.#place] = vote;
    if (vote instanceof Error) throw vote;
    return vote.granted ? 1 : 0;
  }

  async #vote(ballot: Ballot, owner: string): Promise<Vote> {
    const { keys } = ballot.request;
    try {
      if (!this.#isSpread(keys)) return await this.#take(ballot, owner, keys, undefined, ballot.budget);
      return await this.#takeBySlot(ballot, owner);
    } catch (error) {
      if (error instanceof StoreUnavailableError) return error;
      return new StoreUnavailableError(`acquire on ${this.where} failed: ${String(error)}`, 'unknown', {
        cause: error,
      });
    }
  }

  #take(
    { request }: Ballot,
    owner: string,
    keys: readonly string[],
    least: bigint | undefined,
    budget: number | undefined,
  ): Promise<AcquireReply> {
    const { leaseMs, permits, ticket, ticketMs } = request;
    const { channel, fenced } = this.#settings;
    const from = fenced && permits === 1 ? (least ?? 0n) : undefined;
    return this.#scripts.run(
      acquireScript(permits),
      [{ keys, owner, leaseMs, permits, ticket, ticketMs, least: from, channel }],
      budget,
    );
  }

  /**
   * Slot after slot, always in the same order, so that two who want the same locks meet at the first. All of them get
   * the same fencing token, which is larger than any that one of them has had.
   */
  async #takeBySlot(ballot: Ballot, owner: string): Promise<AcquireReply> {
    const { clock, timeout } = this.#settings;
    const end = clock.now() + Math.min(ballot.budget ?? timeout, timeout);
    const taken = new Map<readonly string[], bigint | undefined>();
    let largest: bigint | undefined;
    const take = async (group: readonly string[]): Promise<AcquireReply> => {
      taken.set(group, undefined);
      const reply = await this.#take(ballot, owner, group, largest, end - clock.now());
      if (!reply.granted) return reply;
      taken.set(group, reply.token);
      if (reply.token !== undefined && (largest === undefined || reply.token > largest))
        largest = reply.token;
      return reply;
    };
    const takeAll = async (): Promise<AcquireReply> => {
      for (const group of this.#groupsOf(ballot.request.keys)) {
        const reply = await take(group);
        if (!reply.granted) return reply;
      }
      for (const [group, token] of taken) {
        const reply = token === largest ? undefined : await take(group);
        if (reply?.granted === false) return reply;
      }
      return { granted: true, token: largest };
    };
    let granted = false;
    try {
      const reply = await takeAll();
      ({ granted } = reply);
      return reply;
    } finally {
      if (!granted) {
        await this.#tell(ballot, [...taken.keys()].flat(), owner, end - clock.now()).catch(() => {});
      }
    }
  }

  async #extend({ request }: Ballot, owner: string, leaseMs: number): Promise<number> {
    const fenced = this.#settings.fenced && request.permits === 1;
    let failure: unknown;
    const extended = await this.#each(request.keys, (group) =>
      this.#scripts.run(extendScript, [group, owner, leaseMs, fenced]).catch((error: unknown) => {
        failure = error;
      }),
    );
    // One that is lost is enough, whatever the others are.
    if (extended.includes(false)) return 0;
    if (failure !== undefined) throw failure;
    return 1;
  }

  async #release(ballot: Ballot, owner: string): Promise<number> {
    if (ballot.won) {
      await this.#giveBack(ballot, owner);
    } else if (mayStand(ballot.votes[this.#place])) {
      // After an attempt that failed nobody waits for it. It leaves before whatever is asked next.
      const told = this.#giveBack(ballot, owner).catch(() => {});
      const settled = told.finally(() => this.#underWay.delete(settled));
      this.#underWay.add(settled);
    }
    return 1;
  }

  /** Tells the server, unless nothing can stand there. */
  async #giveBack(ballot: Ballot, owner: string): Promise<void> {
    const vote = ballot.votes[this.#place] ?? (await ballot.asked[this.#place]);
    if (mayStand(vote)) await this.#tell(ballot, ballot.request.keys, owner);
  }

  /** Now, and if it must be later. */
  async #tell(ballot: Ballot, keys: readonly string[], owner: string, budget?: number): Promise<void> {
    const release = (within?: number): Promise<unknown> =>
      this.#each(keys, (group) =>
        this.#scripts.run(releaseScript, [group, owner, this.#settings.channel], within),
      );
    try {
      await release(budget);
    } catch (error) {
      this.#releases.add(() => release(), ballot.until);
      throw error;
    }
  }

  #isSpread(keys: readonly string[]): boolean {
    return keys.length > 1 && this.#servers.slotOf !== undefined;
  }

  /** For the keys of each slot, at the same time. Rejects if one does, when all are done. */
  async #each<T>(keys: readonly string[], run: (group: readonly string[]) => Promise<T>): Promise<T[]> {
    if (!this.#isSpread(keys)) return [await run(keys)];
    const done = await Promise.allSettled(this.#groupsOf(keys).map(run));
    return done.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  }

  #groupsOf(keys: readonly string[]): readonly (readonly string[])[] {
    return groupsBySlot(keys, (key) => this.#servers.slotOf?.(this.#scripts.name(key)) ?? 0);
  }
}
