import Redlock, { type Lock } from 'redlock';
import { StoreUnavailableError } from '../../../core/errors.js';
import { newToken } from '../../../core/token.js';
import type { Host, LockGrant, LockReply, LockRequest, LockStore } from '../../../core/ports.js';
import { acquireScript } from './acquire-scripts.js';
import type { Ballot } from './ballot.js';
import type { BackendSettings } from '../backend-settings.js';
import { extendScript, releaseScript } from './held-scripts.js';
import { Keyspace } from '../keyspace.js';
import { channelOf, serversOf } from '../link.js';
import { failuresOf, notTold, refusal } from './lock-outcomes.js';
import { LockServers } from './lock-servers.js';
import { LockVoter } from './lock-voter.js';
import { majorityOf } from './majority.js';
import { Scripts, whole } from '../scripts.js';
import type { Servers } from '../servers.js';
import type { Target } from '../target.js';

/** redlock, and what it runs on. */
interface Electorate {
  readonly redlock: Redlock;
  readonly voters: readonly LockVoter[];
  close(): Promise<void>;
}

class Election extends Redlock {
  /** redlock's own asks the system for 16 random bytes every time, and waits for them. */
  override _random(): string {
    return newToken() + newToken();
  }
}

/**
 * Locks in Redis: on the target itself, over a connection of their own that is opened at the first of them, or on
 * independent servers. redlock makes the owners' names, counts the votes, and cleans up after an attempt that failed;
 * what it asks is run and limited by `LockVoter`. How long a lease is good for is no affair of either.
 */
export class RedisLockStore implements LockStore {
  readonly single: boolean;
  readonly #target: Target;
  readonly #settings: BackendSettings;
  readonly #host: Host;
  readonly #own: LockServers | undefined;
  #electorate: Electorate | undefined;
  #closed = false;

  constructor(target: Target, settings: BackendSettings, host: Host) {
    this.#target = target;
    this.#settings = settings;
    this.#host = host;
    this.single = settings.lockServers === undefined;
    if (settings.lockServers === undefined) return;
    this.#own = new LockServers(settings.lockServers, settings, host);
    const own = this.#own;
    this.#electorate = this.#electorateOf(own.links, () => own.close());
    own.open();
  }

  async acquire(request: LockRequest, budget?: number): Promise<LockReply> {
    if (this.#closed && this.#electorate === undefined) return this.#closedReply();
    const { redlock, voters } = (this.#electorate ??= this.#onTarget());
    const ballot: Ballot = {
      request,
      budget,
      votes: [],
      asked: [],
      won: false,
      until: this.#until(request.leaseMs),
    };
    try {
      const lock = await redlock.acquire([ballot], whole(request.leaseMs));
      ballot.won = true;
      return { status: 'granted', grant: this.#grant(lock, ballot, voters) };
    } catch (error) {
      const servers = voters.map(({ where }) => where);
      return await refusal(ballot, servers, error);
    }
  }

  async abandon(request: LockRequest): Promise<void> {
    if (this.#electorate === undefined || (request.ticket === undefined && request.permits !== 1)) return;
    await Promise.allSettled(this.#electorate.voters.map((voter) => voter.abandon(request)));
  }

  /** Resolves when a majority of its own servers can be used. @throws StoreSetupError */
  async ready(): Promise<void> {
    await this.#own?.ready();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#electorate?.close();
  }

  #grant(lock: Lock, ballot: Ballot, voters: readonly LockVoter[]): LockGrant {
    const vote = this.single ? ballot.votes[0] : undefined;
    return {
      fencingToken: vote !== undefined && 'token' in vote ? vote.token : undefined,
      extend: async (leaseMs) => {
        ballot.until = this.#until(leaseMs);
        // By the time of day, which may be set: whether the lease is still good is its holder's affair.
        lock.expiration = Number.MAX_SAFE_INTEGER;
        try {
          await lock.extend(whole(leaseMs));
          return 'extended';
        } catch (error) {
          const failures = await failuresOf(error);
          const lost = failures.filter((failure) => !(failure instanceof StoreUnavailableError));
          return lost.length >= majorityOf(voters.length) ? 'lost' : 'unavailable';
        }
      },
      release: async () => {
        try {
          await lock.release();
        } catch (error) {
          throw notTold(await failuresOf(error), voters.length);
        }
      },
    };
  }

  #until(leaseMs: number): number {
    return this.#host.clock.now() + leaseMs;
  }

  /** One voter: the target, on a connection of its own, so that nothing large stands before a lock. */
  #onTarget(): Electorate {
    const { clock, namespace } = this.#host;
    // That the target does not answer is told by the connection for commands.
    const settings = { ...this.#settings, clock, namespace, changed: () => {} };
    const servers = serversOf(this.#target, 'locks', settings, { ready() {}, lost() {} });
    servers.open();
    const scripts = new Scripts(servers, new Keyspace(this.#target.keyPrefix));
    return this.#electorateOf([{ servers, scripts }], () => servers.close());
  }

  #electorateOf(
    places: readonly { readonly servers: Servers; readonly scripts: Scripts }[],
    close: () => Promise<void>,
  ): Electorate {
    const { clock, namespace } = this.#host;
    const { timeout } = this.#settings;
    const settings = { clock, timeout, channel: channelOf(namespace), fenced: this.single };
    const voters = places.map(
      ({ servers, scripts }, place) => new LockVoter(place, servers, scripts, settings),
    );
    const redlock = new Election(
      voters,
      // One attempt for each call: who waits for how long is no affair of redlock either.
      { retryCount: 0 },
      {
        acquireScript: () => acquireScript(1).lua,
        extendScript: () => extendScript.lua,
        releaseScript: () => releaseScript.lua,
      },
    );
    return {
      redlock,
      voters,
      close: async () => {
        await Promise.all(voters.map((voter) => voter.close()));
        await close();
      },
    };
  }

  #closedReply(): LockReply {
    const error = new StoreUnavailableError(`The store on ${this.#target.where} is closed.`, 'refused');
    return { status: 'unavailable', servers: [{ server: this.#target.where, answer: error }] };
  }
}
