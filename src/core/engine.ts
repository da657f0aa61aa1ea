import { currentCapture } from './captures.js';
import type { StoreUnavailableError } from './errors.js';
import { Fills } from './fills.js';
import { Leases } from './leases.js';
import { LoadLocks } from './locks/load-locks.js';
import { Loads } from './loads.js';
import type { Locks } from './locks/locks.js';
import { Looks } from './looks.js';
import { resolvePolicy, type Policy, type PolicyOptions } from './options.js';
import type { Target } from './pending-invalidations.js';
import type { Clock, EntryStore } from './ports.js';
import { MISS, NEVER, type Found, type ReadCall } from './read-call.js';
import { Flight, type Landing } from './single-flight.js';
import { pair } from './tags.js';
import { newToken } from './token.js';
import { remove, workings, type Workings } from './workings.js';

export interface EngineSetup {
  readonly namespace: string;
  readonly store: EntryStore;
  readonly clock: Clock;
  readonly defaults: PolicyOptions;
  readonly enabled: boolean;
  /** For loads with `stampede: 'lock'`. */
  readonly locks: Locks;
}

/**
 * What runs under `@Cached`, `@Invalidates` and the plain verbs. `read` is the path of a cached call: look into the
 * store (looks.ts); join the load under way (single-flight.ts), or take a lease (leases.ts) and load (loads.ts);
 * store the value if the lease and the tags' nonces still stand (fills.ts). The protocol and what it promises:
 * docs/coherence.md.
 */
export class Engine {
  readonly #in: Workings;
  readonly #defaults: PolicyOptions;
  readonly #enabled: boolean;
  readonly #looks: Looks;
  readonly #leases: Leases;
  readonly #fills: Fills;
  readonly #loads: Loads;

  constructor(setup: EngineSetup) {
    this.#in = workings(setup.namespace, setup.store, setup.clock);
    this.#defaults = setup.defaults;
    this.#enabled = setup.enabled;
    this.#looks = new Looks(this.#in);
    this.#leases = new Leases(this.#in, this.#looks);
    this.#fills = new Fills(this.#in);
    this.#loads = new Loads(this.#in, this.#leases, this.#fills, new LoadLocks(this.#in, setup.locks));
  }

  /** Options over the defaults, checked. */
  policy(options: PolicyOptions, where: string): Policy {
    return resolvePolicy(options, this.#defaults, where);
  }

  /**
   * One cached call. What it returns was valid at some moment after the call began: its own look, a load that
   * began later, or a load that the store has vouched for since (its lease and its tags' nonces stood).
   */
  async read<T>(call: ReadCall<T>): Promise<T> {
    if (!this.#enabled || this.#loads.isStarting(call.key)) return call.load();
    const { clock, flights, nextOrdinal, reporter } = this.#in;
    const started = nextOrdinal();
    const capture = currentCapture();
    let begun = clock.now();
    let found = await this.#looks.look(call);
    for (;;) {
      if (found.is === 'hit') {
        capture?.add(found.tagged);
        return found.value as T;
      }
      let flight = flights.get(call.key);
      const joined = flight !== undefined;
      if (flight === undefined) {
        const told = call.tagsOf !== undefined || call.policy.inheritTags;
        flight = new Flight(call.key, told ? undefined : call.tags);
        flights.depart(flight);
        void this.#loads.fly(flight, call, found, begun);
      }
      const landing = await (joined ? this.#landing(flight, call.policy.wait) : flight.landed);
      if (landing === undefined) {
        begun = clock.now();
        continue;
      }
      // So that what this call returns is stored when it returns; a slow store gets the rest of the budget.
      const proven = await this.#within(flight.proven, call.policy.budget - flight.lost);
      if (landing.asOf >= started || (proven >= started && this.#mayShare(call, landing))) {
        if (joined) reporter.publish('coalesced', call.method, { key: call.key, with: 'process' });
        capture?.add(landing.tagged);
        return landing.value as T;
      }
      // It has landed and will not be proven in time: nobody waits for it again.
      flights.arrive(flight);
      // A store that was away has had its part of this call's time.
      if (found.is !== 'away') {
        begun = clock.now();
        found = await this.#looks.look(call);
      }
    }
  }

  /**
   * What stands at a key, for the plain verbs.
   * @throws StoreUnavailableError
   */
  async peek(key: string): Promise<Found> {
    return this.#enabled ? this.#looks.peek(key) : MISS;
  }

  /**
   * Stores a value in the place of whatever stands there, under a lease like a load, so that an invalidation that
   * comes meanwhile is not undone.
   * @returns false: it was overtaken, or is not to be stored
   * @throws StoreUnavailableError, ValueError
   */
  async store<T>(call: ReadCall<T>, value: T): Promise<boolean> {
    const encoded = this.#fills.encode(call, value);
    if (!this.#enabled) return false;
    const { clock, flights, names, pending } = this.#in;
    const version = pending.version;
    const since = clock.now();
    const token = newToken();
    try {
      const [reply, minted] = await this.#leases.ask(call, token, '*');
      if (reply.status !== 'granted') return false;
      flights.detach([call.key], [], false);
      const lease = { token, minted, at: reply.at, since };
      const tagged = pair(call.tags, minted.nonces, 1);
      if (encoded === undefined || tagged === undefined) {
        await this.#fills.release(call.key, lease);
        return false;
      }
      const ttl = this.#fills.ttlFor(call.policy, value);
      const stored = (await this.#fills.fill(call, lease, tagged, encoded, ttl)) === 'stored';
      if (stored) pending.settleKey(call.key, version);
      return stored;
    } catch (error) {
      this.#leases.release(names.entry(call.key), token, call.policy.lease);
      throw error;
    }
  }

  /**
   * Makes entries count no more.
   * @returns why the store could not take it; then it is queued, and this process reads past what it covers
   */
  async drop(target: Target, method: string | undefined): Promise<StoreUnavailableError | undefined> {
    const { keys, tags, all } = target;
    if (!this.#enabled) return undefined;
    const { flights, names, pending, reporter, store } = this.#in;
    const version = pending.version;
    let failure: StoreUnavailableError | undefined;
    flights.detach(keys, tags, all);
    try {
      await remove(store, names, target);
      for (const key of keys) pending.settleKey(key, version);
    } catch (error) {
      failure = reporter.unavailable('invalidate', { key: keys[0], method }, error);
      pending.add(target);
    }
    flights.detach(keys, tags, all);
    reporter.publish('invalidate', method, { keys, tags, all, acknowledged: failure === undefined });
    return failure;
  }

  /** For the adapter: somebody else's lease at this key has ended. */
  wake(redisKey: string): void {
    this.#leases.wake(redisKey);
  }

  /** For the adapter: the store answers again, so what is queued can go. */
  recover(): void {
    if (this.#in.pending.any) void this.#in.pending.retry();
  }

  /** Invalidations that are not yet acknowledged exist. */
  get pending(): boolean {
    return this.#in.pending.any;
  }

  /** For decorators: an error that no caller is told of. */
  report(operation: string, method: string, error: unknown): void {
    this.#in.reporter.error(operation, { method }, error);
  }

  /** Gives back the leases held and tries once more to send what is queued. */
  async close(): Promise<void> {
    const { pending } = this.#in;
    pending.close();
    await Promise.allSettled([pending.retry(), this.#leases.giveAllBack()]);
    pending.close();
  }

  /**
   * The end of the load; undefined if it has run for `ms` and this call has waited as long. Then whoever asks next
   * begins anew: a load that hangs, or that waits for itself through another method with the same key, does not
   * hold its key for ever.
   */
  async #landing(flight: Flight, ms: number): Promise<Landing | undefined> {
    const { clock, flights } = this.#in;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        const left = (flight.loadStart ?? clock.now()) + ms - clock.now();
        if (left > 0) {
          timer = clock.after(left, giveUp);
          return;
        }
        flights.arrive(flight);
        resolve(undefined);
      };
      let timer = clock.after(ms, giveUp);
      flight.landed.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** What `proven` settles with, or -1 after `ms`. */
  async #within(proven: Promise<number>, ms: number): Promise<number> {
    return new Promise((resolve) => {
      const timer = this.#in.clock.after(Math.max(0, ms), () => resolve(NEVER));
      void proven.then((asOf) => {
        timer.cancel();
        resolve(asOf);
      });
    });
  }

  /** What the store vouched for must be all that this call depends on, and no step back for this process. */
  #mayShare<T>(call: ReadCall<T>, { tagged, since }: Landing): boolean {
    return (
      call.tags.every((tag) => tagged?.some((one) => one.tag === tag)) &&
      this.#in.floors.allows(call.key, since)
    );
  }
}
