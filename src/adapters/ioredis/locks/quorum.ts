import { createHash } from 'node:crypto';
// @ts-expect-error TS7016: the types of redlock 5 cannot be resolved under `nodenext`; those that are used are below.
import UntypedRedlock, { ExecutionError as UntypedExecutionError } from 'redlock';
import type { LockGrant, LockReply, LockRequest } from '../../../core/ports/lock-store.js';
import { StoreUnavailableError } from '../../../core/shared/errors.js';
import { toWholeMs } from '../commands/script.js';
import { newOwner, type LockAuthority } from './lock-authority.js';
import { mayHoldLock, type LockServer, type ServerReply } from './lock-server.js';

/** More than half of them. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/**
 * Locks on several independent servers, by the Redlock algorithm: a lock is granted when a majority of the servers has
 * granted it (https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/).
 *
 * The package redlock asks all servers, counts their replies and releases what an attempt that failed has left. Only this
 * file knows it. It expects clients of Redis: each server is shown to it as one, whose commands are the verbs of
 * `LockServer`. Waiting, renewal and the validity of leases are in core/locks.
 */
export class Quorum implements LockAuthority {
  readonly #servers: readonly LockServer[];
  readonly #redlock: Redlock;

  constructor(servers: readonly LockServer[]) {
    this.#servers = servers;
    this.#redlock = new OneAttemptRedlock(servers.map((server, i) => new RedlockClient(server, i)));
  }

  async acquire(request: LockRequest, timeout: number | undefined): Promise<LockReply> {
    const attempt: Attempt = {
      request,
      timeout,
      replies: [],
      pending: [],
      isGranted: false,
      until: this.#servers[0]!.endOf(request.leaseMs),
    };
    try {
      const lock = await this.#redlock.acquire([attempt], toWholeMs(request.leaseMs));
      attempt.isGranted = true;
      return { status: 'granted', grant: this.#grant(lock, attempt) };
    } catch (error) {
      return await this.#refusal(attempt, error);
    }
  }

  async abandon(request: LockRequest): Promise<void> {
    await Promise.allSettled(this.#servers.map((server) => server.abandon(request)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
  }

  #grant(lock: RedlockLock, attempt: Attempt): LockGrant {
    return {
      fencingToken: undefined,
      extend: async (leaseMs) => {
        attempt.until = this.#servers[0]!.endOf(leaseMs);
        // redlock refuses by the time of day, which may be set. The holder of the lease knows whether it is valid.
        // guard: time-of-day-loses-no-lock
        lock.expiration = Number.MAX_SAFE_INTEGER;
        try {
          await lock.extend(toWholeMs(leaseMs));
          return 'extended';
        } catch (error) {
          const lost = (await failuresOf(error)).filter(
            (failure) => !(failure instanceof StoreUnavailableError),
          );
          return lost.length >= majorityOf(this.#servers.length) ? 'lost' : 'unavailable';
        }
      },
      release: async () => {
        try {
          await lock.release();
        } catch (error) {
          throw notReleasedError(await failuresOf(error), this.#servers.length);
        }
      },
    };
  }

  /** The reply to an attempt that failed. The errors of redlock end here: they hold clients. */
  async #refusal(attempt: Attempt, error: unknown): Promise<LockReply> {
    const needed = majorityOf(this.#servers.length);
    // If that many have refused, the missing replies change nothing.
    if (heldTimes(attempt).length < needed) await failuresOf(error);
    const times = heldTimes(attempt);
    // guard: majority-decides-that-it-is-held
    if (times.length < needed) {
      const servers = this.#servers.map(({ where }, i) => ({
        server: where,
        answer: answerOf(attempt.replies[i]!),
      }));
      return { status: 'unavailable', servers };
    }
    const granted = attempt.replies.filter((reply) => reply !== undefined && isGrant(reply));
    // That many of the others must become free for a majority.
    return { status: 'held', forMs: times[needed - granted.length - 1]! };
  }
}

/** One request, as the servers and redlock share it. */
interface Attempt {
  readonly request: LockRequest;
  /** The caller's own deadline for each server, in ms. */
  readonly timeout: number | undefined;
  /** By server. */
  readonly replies: (ServerReply | undefined)[];
  readonly pending: Promise<ServerReply>[];
  /** A majority has granted it. */
  isGranted: boolean;
  /** When its leases have ended, by the clock. */
  until: number;
}

function isGrant(reply: ServerReply): boolean {
  return !(reply instanceof Error) && reply.granted;
}

function answerOf(reply: ServerReply): 'granted' | 'held' | Error {
  if (reply instanceof Error) return reply;
  return reply.granted ? 'granted' : 'held';
}

/** For how many ms the servers that refused hold the locks, ascending. */
function heldTimes({ replies }: Attempt): readonly number[] {
  const times: number[] = [];
  for (const reply of replies) {
    if (reply !== undefined && !(reply instanceof Error) && !reply.granted) times.push(reply.forMs);
  }
  return times.sort((one, other) => one - other);
}

/** Why servers voted against it. Resolves when all have replied. */
async function failuresOf(error: unknown): Promise<readonly Error[]> {
  if (!(error instanceof ExecutionError)) throw error;
  const { votesAgainst } = await error.attempts[0]!;
  return [...votesAgainst.values()];
}

function notReleasedError(failures: readonly Error[], count: number): StoreUnavailableError {
  const isUnknown = failures.some(
    (failure) => failure instanceof StoreUnavailableError && failure.outcome === 'unknown',
  );
  return new StoreUnavailableError(
    `${failures.length} of ${count} lock servers did not take the release of a lock. ` +
      failures.map(({ message }) => message).join(' '),
    isUnknown ? 'unknown' : 'refused',
    { cause: failures[0] },
  );
}

// --- redlock ---

interface RedlockLock {
  /** By `Date.now()`. */
  expiration: number;
  release(): Promise<unknown>;
  extend(duration: number): Promise<unknown>;
}

interface Redlock {
  /** The resources are passed on to every client as they are, before the owner. */
  acquire(resources: readonly unknown[], duration: number): Promise<RedlockLock>;
}

/** Too few servers were for it. */
interface ExecutionError extends Error {
  /** Each resolves when every client has replied. */
  readonly attempts: readonly Promise<{ readonly votesAgainst: ReadonlyMap<unknown, Error> }>[];
}

const ExecutionError = UntypedExecutionError as new () => ExecutionError;

const TypedRedlock = UntypedRedlock as new (
  clients: Iterable<RedlockClient>,
  settings: { readonly retryCount: number },
  // Functions: strings are ignored, although its documentation has them.
  scripts: Readonly<Record<'acquireScript' | 'extendScript' | 'releaseScript', () => string>>,
) => Redlock;

/** redlock runs scripts by the digest of their text. Its scripts are the names of verbs. */
const ACQUIRE = 'acquire';
const EXTEND = 'extend';
const RELEASE = 'release';
const verbs = new Map(
  [ACQUIRE, EXTEND, RELEASE].map((verb) => [createHash('sha1').update(verb).digest('hex'), verb]),
);

class OneAttemptRedlock extends TypedRedlock {
  constructor(clients: Iterable<RedlockClient>) {
    super(
      clients,
      { retryCount: 0 },
      { acquireScript: () => ACQUIRE, extendScript: () => EXTEND, releaseScript: () => RELEASE },
    );
  }

  /** The name of an owner. redlock's own method asks the system for random bytes every time, and waits for them. */
  _random(): string {
    return newOwner();
  }
}

/** A server, as the client of Redis that redlock expects. A reply of 1 is a vote for it; 0 or an error is one against. */
class RedlockClient {
  readonly #server: LockServer;
  readonly #index: number;

  constructor(server: LockServer, index: number) {
    this.#server = server;
    this.#index = index;
  }

  async evalsha(sha: string, _count: number, args: readonly unknown[]): Promise<number> {
    const [attempt, owner, leaseMs] = args as [attempt: Attempt, owner: string, leaseMs: number];
    switch (verbs.get(sha)) {
      case ACQUIRE:
        return this.#acquire(attempt, owner);
      case EXTEND:
        return (await this.#server.extend(attempt.request, owner, leaseMs)) ? 1 : 0;
      case RELEASE:
        return this.#release(attempt, owner);
      default:
        throw new Error('Expected redlock to run the scripts that it was given.');
    }
  }

  /** redlock calls this where a server does not know a script. No `LockServer` says so. */
  eval(): Promise<number> {
    throw new Error('Expected redlock to run scripts by their digest.');
  }

  async #acquire(attempt: Attempt, owner: string): Promise<number> {
    const pending = this.#server.acquire(attempt.request, owner, attempt.timeout);
    attempt.pending[this.#index] = pending;
    const reply = await pending;
    attempt.replies[this.#index] = reply;
    if (reply instanceof Error) throw reply;
    return reply.granted ? 1 : 0;
  }

  async #release(attempt: Attempt, owner: string): Promise<number> {
    const { request, until } = attempt;
    const reply = attempt.replies[this.#index] ?? attempt.pending[this.#index]!;
    // guard: granted-by-too-few-is-released
    if (!attempt.isGranted) this.#server.cleanUp(request, owner, reply, until);
    else if (mayHoldLock(await reply)) await this.#server.release(request, owner, until);
    return 1;
  }
}
