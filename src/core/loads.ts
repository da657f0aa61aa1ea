import { Capture, capturing, merge } from './captures.js';
import { channels } from './events.js';
import type { Fills } from './fills.js';
import type { Lease, Leases } from './leases.js';
import type { LoadLock, LoadLocks } from './locks/load-locks.js';
import { NEVER, type Found, type ReadCall } from './read-call.js';
import type { Flight, Landing } from './single-flight.js';
import { pair } from './tags.js';
import type { Workings } from './workings.js';

/** The load of a key: from the lease to the value that is stored, or not. */
export class Loads {
  readonly #in: Workings;
  readonly #leases: Leases;
  readonly #fills: Fills;
  readonly #locks: LoadLocks;
  /** Keys whose loader is on the call stack now. */
  readonly #starting = new Set<string>();

  constructor(shared: Workings, leases: Leases, fills: Fills, locks: LoadLocks) {
    this.#in = shared;
    this.#leases = leases;
    this.#fills = fills;
    this.#locks = locks;
  }

  /** The call is made by the loader of this very key, which must not wait for itself. */
  isStarting(key: string): boolean {
    return this.#starting.has(key);
  }

  /**
   * One flight, from its start to the proof of its value. Never rejects: the flight carries the error.
   * @param begun when the call began, by our clock
   */
  async fly<T>(flight: Flight, call: ReadCall<T>, found: Found, begun: number): Promise<void> {
    let asOf = NEVER;
    let lock: LoadLock | undefined;
    try {
      if (found.is === 'miss' && call.policy.stampede === 'lock')
        lock = await this.#locks.acquire(call, begun);
      const waited = lock?.waited ?? 0;
      const right =
        found.is === 'miss'
          ? await this.#leases.acquire(flight, call, found.replaces, begun + waited, waited)
          : undefined;
      if (right !== undefined && 'asOf' in right) {
        this.#in.reporter.publish('coalesced', call.method, { key: call.key, with: 'fleet' });
        flight.land(right);
      } else if (right === undefined) {
        flight.land(await this.#loadAlone(flight, call));
      } else {
        asOf = await this.#loadUnder(right, flight, call);
      }
    } catch (error) {
      flight.crash(error);
    } finally {
      this.#in.flights.arrive(flight);
      flight.prove(asOf);
      lock?.letGo();
    }
  }

  /** The load without the store: returned, never stored. */
  async #loadAlone<T>(flight: Flight, call: ReadCall<T>): Promise<Landing> {
    const asOf = this.#in.nextOrdinal();
    const since = (flight.loadStart = this.#in.clock.now());
    const value = await this.#run(call, false, undefined);
    this.#in.floors.raise(call.key, since);
    return { value, asOf, since, tagged: undefined };
  }

  /**
   * The load under a lease. Callers have the value as soon as it is there; then it is stored, if lease and
   * nonces still stand.
   * @returns the ordinal from which on the store vouches for the value, or -1
   */
  async #loadUnder<T>(lease: Lease, flight: Flight, call: ReadCall<T>): Promise<number> {
    const { clock, floors, names, nextOrdinal, reporter } = this.#in;
    const fills = this.#fills;
    const { policy } = call;
    const capture = policy.inheritTags ? new Capture() : undefined;
    const letGo = this.#leases.keep(names.entry(call.key), lease.token, policy.lease);
    let landed = false;
    try {
      // What overtook the flight while it waited for its lease came before this load, and does not concern it.
      flight.detached = false;
      const asOf = nextOrdinal();
      const since = (flight.loadStart = clock.now());
      const value = await this.#run(call, true, capture);
      const ttl = call.unless?.(value) === true ? 0 : fills.ttlFor(policy, value);
      const encoded = ttl > 0 ? fills.encode(call, value) : undefined;
      const known = merge(pair(call.tags, lease.minted.nonces, 1), capture);
      const late = call.tagsOf?.(value).filter((tag) => !known?.some((one) => one.tag === tag)) ?? [];
      // Callers may have the value before the store has taken it, and it may refuse.
      const floor = floors.raise(call.key, since);
      flight.land({ value, asOf, since, tagged: late.length === 0 ? known : undefined });
      landed = true;
      if (known === undefined || this.#overtaken(flight, call, late)) {
        if (encoded !== undefined) reporter.refused(call, 'invalidated');
        await fills.release(call.key, lease);
        return NEVER;
      }
      const tagged = late.length === 0 ? known : await fills.lateTags(call, lease, known, late);
      if (tagged === undefined) {
        if (encoded !== undefined) reporter.refused(call, 'tag invalidated');
        await fills.release(call.key, lease);
        return NEVER;
      }
      return await fills.vouch(lease, tagged, async () => {
        const held =
          encoded === undefined
            ? await fills.release(call.key, lease)
            : (await fills.fill(call, lease, tagged, encoded, ttl)) !== 'refused';
        // Nobody else has loaded under a lease meanwhile: what stands there from now on is of no earlier load.
        if (held) floors.lower(call.key, since, floor);
        return held;
      });
    } catch (error) {
      this.#leases.release(names.entry(call.key), lease.token, policy.lease);
      if (landed) reporter.error('fill', call, error);
      else flight.crash(error);
      return NEVER;
    } finally {
      letGo();
    }
  }

  /** An invalidation of this process came after the load began, acknowledged or not. */
  #overtaken<T>(flight: Flight, call: ReadCall<T>, late: readonly string[]): boolean {
    return flight.detached || this.#in.pending.covers(call.key, [...call.tags, ...late]);
  }

  async #run<T>(call: ReadCall<T>, leased: boolean, capture: Capture | undefined): Promise<T> {
    if (capture === undefined && !channels.load.hasSubscribers) return this.#start(call, undefined);
    const { clock, reporter } = this.#in;
    const begun = clock.now();
    let failure: unknown;
    try {
      return await this.#start(call, capture);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      const ms = clock.now() - begun;
      reporter.publish('load', call.method, { key: call.key, ms, error: failure, leased });
    }
  }

  /** Not awaited here: the key is marked only while the loader's first, synchronous part runs. */
  #start<T>(call: ReadCall<T>, capture: Capture | undefined): Promise<T> {
    this.#starting.add(call.key);
    try {
      return capture === undefined ? call.load() : capturing(capture, call.load);
    } finally {
      this.#starting.delete(call.key);
    }
  }
}
