import { StoreUnavailableError } from './errors.js';
import type { Looks } from './looks.js';
import type { LeaseReply, Minted } from './ports.js';
import type { ReadCall } from './read-call.js';
import type { Flight, Landing } from './single-flight.js';
import { newToken } from './token.js';
import { Waiters } from './waiters.js';
import type { Workings } from './workings.js';

/** The right to store what is loaded under it, and what must still hold for it. */
export interface Lease {
  readonly token: string;
  /** The nonces, as they stood before the load. */
  readonly minted: Minted;
  /** Store's clock at its grant; local clock when it was asked for, which is earlier. */
  readonly at: number;
  readonly since: number;
}

const FIRST_POLL = 20;
const LAST_POLL = 250;
/** Every half lease, up to 20 leases. */
const EXTENSIONS = 40;
/** Tag nonces outlive the entries that carry them by at least this. */
const TAG_MARGIN = 60_000;

/** How long nonces must live for an entry of this ttl. */
export function nonceLife(ttl: number): number {
  return ttl + TAG_MARGIN;
}

/** Who may load a key and store it: one in the whole fleet, for as long as its lease lasts. */
export class Leases {
  readonly #in: Workings;
  readonly #looks: Looks;
  readonly #waiters = new Waiters();
  readonly #held = new Map<string, string>();

  constructor(shared: Workings, looks: Looks) {
    this.#in = shared;
    this.#looks = looks;
  }

  /**
   * Takes the lease, or waits for whoever has it and returns what it stored.
   * @param begun when the call began, by our clock
   * @param waited for how long it has waited for another's load before
   * @returns undefined: load without one (the store is away, the wait is over, the key is not ours)
   */
  async acquire<T>(
    flight: Flight,
    call: ReadCall<T>,
    replaces: string | undefined,
    begun: number,
    waited = 0,
  ): Promise<Lease | Landing | undefined> {
    const { clock, names, reporter, nextOrdinal } = this.#in;
    const redisKey = names.entry(call.key);
    const token = newToken();
    const waitUntil = clock.now() + call.policy.wait - waited;
    flight.lost = clock.now() - begun;
    let poll = FIRST_POLL;
    for (;;) {
      const budget = call.policy.budget - flight.lost;
      if (budget <= 0) return undefined;
      const woken = this.#listen(redisKey);
      try {
        const since = clock.now();
        const asOf = nextOrdinal();
        const [reply, minted] = await this.ask(call, token, replaces, budget);
        flight.lost += clock.now() - since;
        switch (reply.status) {
          case 'granted':
            return { token, minted, at: reply.at, since };
          case 'foreign':
            reporter.error('lease', call, foreign(redisKey));
            return undefined;
          case 'present': {
            const snapshot = { record: reply.record, nonces: minted.nonces };
            const found = await this.#looks.judge(call, snapshot, budget);
            if (found.is === 'hit') return { value: found.value, asOf, since, tagged: found.tagged };
            if (found.is === 'away') return undefined;
            // Each round must name another value than the one before, or the loop would never end.
            if (found.replaces === undefined || found.replaces === replaces) {
              reporter.error('lease', call, notReplaced(redisKey));
              return undefined;
            }
            replaces = found.replaces;
            break;
          }
          case 'held': {
            const left = waitUntil - clock.now();
            if (left <= 0) return undefined;
            const jittered = poll * (0.75 + clock.random() / 2);
            await woken.within(Math.max(1, Math.min(left, jittered, reply.forMs + 1)));
            poll = Math.min(poll * 2, LAST_POLL);
            // A store that answers is not what this call waits for: each answer has the whole budget again.
            flight.lost = 0;
          }
        }
      } catch (error) {
        reporter.unavailable('lease', call, error);
        // It may be there all the same: the nonces may be what failed, or the reply was lost.
        this.release(redisKey, token, call.policy.lease);
        return undefined;
      } finally {
        woken.end();
      }
    }
  }

  /** Lease and nonces in one round trip: both must be there before the load begins. */
  async ask<T>(
    call: ReadCall<T>,
    token: string,
    replaces: string | undefined,
    budget?: number,
  ): Promise<readonly [LeaseReply, Minted]> {
    const { clock, names, store, storeTime } = this.#in;
    const { policy } = call;
    const since = clock.now();
    const epochs = call.tagsOf === undefined ? undefined : names.epochs;
    const both = await Promise.all([
      store.lease(names.entry(call.key), token, policy.lease, replaces, budget),
      store.mint(names.nonces(call.tags), epochs, newToken(), nonceLife(policy.ttl), budget),
    ]);
    const [reply] = both;
    if (reply.status === 'granted' || reply.status === 'held') storeTime.tell(reply.at, since);
    return both;
  }

  /**
   * Keeps the lease while a load runs. One that is lost is not taken back: the fill will be refused.
   * @returns ends it
   */
  keep(redisKey: string, token: string, lease: number): () => void {
    const { clock, reporter, store } = this.#in;
    this.#held.set(redisKey, token);
    let left = EXTENSIONS;
    const extend = (): void => {
      if (left-- <= 0) return;
      timer = clock.after(lease / 2, extend);
      reporter.background(
        store.extend(redisKey, token, lease).then((held) => {
          if (!held) left = 0;
        }),
      );
    };
    let timer = clock.after(lease / 2, extend);
    return () => {
      left = 0;
      timer.cancel();
      this.#held.delete(redisKey);
    };
  }

  /** Releases a lease that may be there, now or as soon as the store can be asked. */
  release(redisKey: string, token: string, leaseMs: number): void {
    const { clock, releases, store } = this.#in;
    void releases.release(() => store.release(redisKey, token), clock.now() + leaseMs);
  }

  async giveAllBack(): Promise<void> {
    this.#in.releases.close();
    await Promise.allSettled([...this.#held].map(([key, token]) => this.#in.store.release(key, token)));
  }

  /** Somebody else's lease at this key has ended. */
  wake(redisKey: string): void {
    this.#waiters.wake(redisKey);
  }

  /** Armed before the store is asked, so that no wake falls between the answer and the wait. */
  #listen(redisKey: string): { within(ms: number): Promise<void>; end(): void } {
    let wake: (() => void) | undefined;
    let woken = false;
    const end = this.#waiters.listen(redisKey, () => {
      woken = true;
      wake?.();
    });
    const within = async (ms: number): Promise<void> => {
      if (woken) return;
      await new Promise<void>((resolve) => {
        const timer = this.#in.clock.after(ms, resolve);
        wake = () => {
          timer.cancel();
          resolve();
        };
      });
    };
    return { within, end };
  }
}

function notReplaced(redisKey: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `The store shows a record at ${redisKey} that cannot be used, and does not replace it. The method runs uncached.`,
    'refused',
  );
}

function foreign(redisKey: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `A value of another type stands at ${redisKey}. It is left alone, and the method runs uncached. ` +
      'Remove it, or give this Caching another namespace.',
    'refused',
  );
}
