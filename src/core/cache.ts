import { Capture, capturing, currentCapture } from './captures.js';
import { decodeEntry, encodeEntry, isLease, tokenOf, type Entry, type Tagged } from './entry.js';
import { notTaken, OptionsError, StoreUnavailableError, ValueError } from './errors.js';
import { channels, type CachementEvents } from './events.js';
import { Floors } from './floors.js';
import { clearKey, entryKey, epochsKey, logicalKey, tagKey, type KeyPart } from './key.js';
import { checkNames, policyNames, resolvePolicy } from './options.js';
import type { OnUnavailable, Policy, PolicyOptions } from './options.js';
import { PendingInvalidations, type Target } from './pending-invalidations.js';
import type { Clock, EntryStore, LeaseReply, Minted, Snapshot } from './ports.js';
import { Flight, SingleFlight, type Landing } from './single-flight.js';
import { bucketOf, pair, sameEpochs } from './tags.js';
import { newToken } from './token.js';
import { decodeValue, encodeValue } from './values.js';
import { Waiters } from './waiters.js';

/** A key as the verbs take it: a whole key, or parts that are escaped and joined with `:`. */
export type Key = string | readonly KeyPart[];

export interface SetOptions extends PolicyOptions {
  /** Labels by which entries can be invalidated together. */
  readonly tags?: readonly string[] | undefined;
}

export interface GetOrSetOptions<T> extends PolicyOptions {
  /** Labels by which entries can be invalidated together: a list, or made from the loaded value. */
  readonly tags?: readonly string[] | ((value: T) => readonly string[]) | undefined;
  /** True for a value that is returned and not stored. */
  readonly unless?: ((value: T) => boolean) | undefined;
}

export interface InvalidateOptions {
  /**
   * When the store cannot take it: `queue` resolves unacknowledged and retries in the background, `throw`
   * rejects with an InvalidationError (and retries all the same).
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
}

export interface Acknowledgement {
  /** True: the store has done it, and no process returns what it removed. False: it is queued. */
  readonly acknowledged: boolean;
}

/** One cached call, as decorators and verbs hand it to the engine. */
export interface ReadCall<T> {
  readonly key: string;
  readonly load: () => Promise<T>;
  /** Known before the load. */
  readonly tags: readonly string[];
  /** Known from the value alone. */
  readonly tagsOf: ((value: T) => readonly string[]) | undefined;
  readonly unless: ((value: T) => boolean) | undefined;
  readonly policy: Policy;
  /** `Class.method` in events. */
  readonly method: string | undefined;
}

export interface CacheSetup {
  readonly namespace: string;
  readonly store: EntryStore;
  readonly clock: Clock;
  readonly defaults: PolicyOptions;
  readonly enabled: boolean;
}

/** What a look into the store found. */
type Found =
  | { readonly is: 'hit'; readonly value: unknown; readonly tagged: readonly Tagged[] }
  | { readonly is: 'miss'; readonly replaces: string | undefined }
  /** The store cannot be asked, or must not be believed about this key. */
  | { readonly is: 'away' };

/** The right to store, and what must still hold for it. */
interface Lease {
  readonly token: string;
  readonly minted: Minted;
  /** Store's clock at its grant; local clock when it was asked for, which is earlier. */
  readonly at: number;
  readonly since: number;
}

const MISS: Found = { is: 'miss', replaces: undefined };
const AWAY: Found = { is: 'away' };
const NEVER = -1;
const FIRST_POLL = 20;
const LAST_POLL = 250;
/** Every half lease, up to 20 leases. */
const EXTENSIONS = 40;
const MAX_DEPTH = 1_000;
/** Each is read on every hit: labels by the thousand belong in the key. */
const MAX_TAGS = 1_000;
/** Tag nonces outlive the entries that carry them by at least this. */
const TAG_MARGIN = 60_000;

/**
 * The engine of `@Cached` and `@Invalidates`. `read` is the path of a cached call, from top to bottom: look into
 * the store; join the load under way, or take a lease and load; store the value if the lease and the tags'
 * nonces still stand. The protocol and what it promises: docs/coherence.md.
 */
export class Cache {
  readonly #namespace: string;
  readonly #store: EntryStore;
  readonly #clock: Clock;
  readonly #defaults: PolicyOptions;
  readonly #enabled: boolean;
  readonly #clearKey: string;
  readonly #epochsKey: string;
  readonly #flights = new SingleFlight();
  readonly #waiters = new Waiters();
  readonly #floors = new Floors();
  readonly #pending: PendingInvalidations;
  readonly #leases = new Map<string, string>();
  /** Keys whose loader is on the call stack now. */
  readonly #starting = new Set<string>();
  /** Orders the calls, looks and loads of this process: no two share one. */
  #ordinal = 0;
  /** The store's clock, as last told, and our own when it was asked. */
  #storeClock: { readonly at: number; readonly since: number } | undefined;

  constructor(setup: CacheSetup) {
    this.#namespace = setup.namespace;
    this.#store = setup.store;
    this.#clock = setup.clock;
    this.#defaults = setup.defaults;
    this.#enabled = setup.enabled;
    this.#clearKey = clearKey(setup.namespace);
    this.#epochsKey = epochsKey(setup.namespace);
    this.#pending = new PendingInvalidations((target) => this.#remove(target), setup.clock);
  }

  /** The value at `key`, or what `loader` makes, stored under the options' ttl. */
  async getOrSet<T>(key: Key, loader: () => Promise<T> | T, options: GetOrSetOptions<T> = {}): Promise<T> {
    checkNames(options, [...policyNames, 'tags', 'unless'], 'getOrSet');
    const { tags } = options;
    return this.read({
      key: logicalKey(key, 'getOrSet'),
      load: async () => loader(),
      tags: typeof tags === 'function' ? [] : normaliseTags(tags, 'getOrSet'),
      tagsOf: typeof tags === 'function' ? (value) => normaliseTags(tags(value), 'getOrSet') : undefined,
      unless: options.unless,
      policy: this.policy(options, 'getOrSet'),
      method: undefined,
    });
  }

  /**
   * The value at `key`; undefined where none is stored (or `undefined` is: see `has`).
   * @throws StoreUnavailableError
   */
  async get<T = unknown>(key: Key): Promise<T | undefined> {
    const found = await this.#peek(logicalKey(key, 'get'));
    return found.is === 'hit' ? (found.value as T) : undefined;
  }

  /** @throws StoreUnavailableError */
  async has(key: Key): Promise<boolean> {
    return (await this.#peek(logicalKey(key, 'has'))).is === 'hit';
  }

  /**
   * Those of the keys that are stored, in one round trip (Cluster: one for each node).
   * @throws StoreUnavailableError
   */
  async getMany<T = unknown, K extends Key = Key>(keys: readonly K[]): Promise<Map<K, T>> {
    const found = await Promise.all(keys.map((key) => this.#peek(logicalKey(key, 'getMany'))));
    const values = new Map<K, T>();
    found.forEach((one, i) => {
      if (one.is === 'hit') values.set(keys[i]!, one.value as T);
    });
    return values;
  }

  /**
   * Stores a value. It replaces whatever stands there, a load under way included, but not an invalidation that
   * comes while it is under way.
   * @returns false if it was overtaken, or is too large: it is not stored then
   * @throws StoreUnavailableError, ValueError
   */
  async set(key: Key, value: unknown, options: SetOptions = {}): Promise<boolean> {
    checkNames(options, [...policyNames, 'tags'], 'set');
    const policy = this.policy(options, 'set');
    const call: ReadCall<unknown> = {
      key: logicalKey(key, 'set'),
      load: async () => value,
      tags: normaliseTags(options.tags, 'set'),
      tagsOf: undefined,
      unless: undefined,
      policy,
      method: undefined,
    };
    const encoded = this.#encode(call, value);
    if (!this.#enabled) return false;
    const version = this.#pending.version;
    const since = this.#clock.now();
    const token = newToken();
    try {
      const [reply, minted] = await this.#askForLease(call, token, '*');
      if (reply.status !== 'granted') return false;
      this.#flights.detach([call.key], [], false);
      const lease: Lease = { token, minted, at: reply.at, since };
      const tagged = pair(call.tags, minted.nonces, 1);
      if (encoded === undefined || tagged === undefined) {
        await this.#release(call.key, lease);
        return false;
      }
      const stored = await this.#fill(call, lease, tagged, encoded, this.#ttlFor(policy, value));
      if (stored) this.#pending.settleKey(call.key, version);
      return stored;
    } catch (error) {
      this.#background(this.#store.release(entryKey(this.#namespace, call.key), token));
      throw error;
    }
  }

  /**
   * Makes entries count no more, by key, by tag, or all of the namespace. Once the promise resolves
   * acknowledged, no read that starts later in any process returns what it removed, and no load that began
   * earlier brings it back.
   */
  async invalidate(
    target: {
      readonly keys?: readonly Key[] | undefined;
      readonly tags?: readonly string[] | undefined;
      readonly all?: boolean | undefined;
    },
    options: InvalidateOptions = {},
  ): Promise<Acknowledgement> {
    checkNames(target, ['keys', 'tags', 'all'], 'invalidate');
    checkNames(options, ['onUnavailable'], 'the options of invalidate');
    const failure = await this.drop(
      {
        keys: (target.keys ?? []).map((key) => logicalKey(key, 'invalidate')),
        tags: normaliseTags(target.tags, 'invalidate'),
        all: target.all ?? false,
      },
      undefined,
    );
    if (failure !== undefined && options.onUnavailable === 'throw') {
      throw notTaken(failure, undefined);
    }
    return { acknowledged: failure === undefined };
  }

  /** Makes every entry of the namespace count no more: one write. */
  async clear(options: InvalidateOptions = {}): Promise<Acknowledgement> {
    return this.invalidate({ all: true }, options);
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
    if (!this.#enabled || this.#starting.has(call.key)) return call.load();
    const started = ++this.#ordinal;
    const capture = currentCapture();
    let begun = this.#clock.now();
    let found = await this.#look(call);
    for (;;) {
      if (found.is === 'hit') {
        capture?.add(found.tagged);
        return found.value as T;
      }
      let flight = this.#flights.get(call.key);
      const joined = flight !== undefined;
      if (flight === undefined) {
        const told = call.tagsOf !== undefined || call.policy.inheritTags;
        flight = new Flight(call.key, told ? undefined : call.tags);
        this.#flights.depart(flight);
        void this.#fly(flight, call, found, begun);
      }
      const landing = await (joined ? this.#landing(flight, call.policy.wait) : flight.landed);
      if (landing === undefined) {
        begun = this.#clock.now();
        continue;
      }
      // So that what this call returns is stored when it returns; a slow store gets the rest of the budget.
      const proven = await this.#within(flight.proven, call.policy.budget - flight.lost);
      if (landing.asOf >= started || (proven >= started && this.#mayShare(call, landing))) {
        if (joined) this.#publish('coalesced', call.method, { key: call.key, with: 'process' });
        capture?.add(landing.tagged);
        return landing.value as T;
      }
      // It has landed and will not be proven in time: nobody waits for it again.
      this.#flights.arrive(flight);
      // A store that was away has had its part of this call's time.
      if (found.is !== 'away') {
        begun = this.#clock.now();
        found = await this.#look(call);
      }
    }
  }

  /**
   * The end of the load; undefined if it has run for `ms` and this call has waited as long. Then whoever asks next
   * begins anew: a load that hangs, or that waits for itself through another method with the same key, does not
   * hold its key for ever.
   */
  async #landing(flight: Flight, ms: number): Promise<Landing | undefined> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        const left = (flight.loadStart ?? this.#clock.now()) + ms - this.#clock.now();
        if (left > 0) {
          timer = this.#clock.after(left, giveUp);
          return;
        }
        this.#flights.arrive(flight);
        resolve(undefined);
      };
      let timer = this.#clock.after(ms, giveUp);
      flight.landed.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** What the store vouched for must be all that this call depends on, and no step back for this process. */
  #mayShare<T>(call: ReadCall<T>, { tagged, since }: Landing): boolean {
    return (
      call.tags.every((tag) => tagged?.some((one) => one.tag === tag)) && this.#floors.allows(call.key, since)
    );
  }

  /**
   * `invalidate`, for names that are already normal. Decorators enter here.
   * @returns why the store could not take it; then it is queued
   */
  async drop(target: Target, method: string | undefined): Promise<StoreUnavailableError | undefined> {
    const { keys, tags, all } = target;
    if (!this.#enabled) return undefined;
    const version = this.#pending.version;
    let failure: StoreUnavailableError | undefined;
    this.#flights.detach(keys, tags, all);
    try {
      await this.#remove(target);
      for (const key of keys) this.#pending.settleKey(key, version);
    } catch (error) {
      failure = this.#unavailable('invalidate', keys[0], method, error);
      this.#pending.add(target);
    }
    this.#flights.detach(keys, tags, all);
    this.#publish('invalidate', method, { keys, tags, all, acknowledged: failure === undefined });
    return failure;
  }

  /** For the adapter: others' leases ended. */
  wake(redisKey: string): void {
    this.#waiters.wake(redisKey);
  }

  /** For the adapter: the store answers again, so what is queued can go. */
  recover(): void {
    if (this.#pending.any) void this.#pending.retry();
  }

  /** Invalidations that are not yet acknowledged exist. */
  get pending(): boolean {
    return this.#pending.any;
  }

  /** Gives back the leases held and tries once more to send what is queued. */
  async close(): Promise<void> {
    this.#pending.close();
    const leases = [...this.#leases];
    await Promise.allSettled([
      this.#pending.retry(),
      ...leases.map(([key, token]) => this.#store.release(key, token)),
    ]);
    this.#pending.close();
  }

  // --- the look ---------------------------------------------------------------------------------------------

  async #look<T>(call: ReadCall<T>): Promise<Found> {
    if (this.#pending.covers(call.key, call.tags)) return AWAY;
    let snapshot: Snapshot;
    try {
      snapshot = await this.#store.read(
        entryKey(this.#namespace, call.key),
        this.#nonceKeys(call.tags),
        call.policy.budget,
      );
    } catch (error) {
      this.#unavailable('read', call.key, call.method, error);
      return AWAY;
    }
    return this.#judge(call, snapshot, call.policy.budget);
  }

  /** Like a look, for the plain verbs: the store's failure is the caller's to know. */
  async #peek(key: string): Promise<Found> {
    if (!this.#enabled || this.#pending.covers(key, [])) return MISS;
    const snapshot = await this.#store.read(entryKey(this.#namespace, key), [this.#clearKey]);
    const found = await this.#judge({ key, tags: [], method: undefined }, snapshot, undefined);
    return found.is === 'away' ? MISS : found;
  }

  /** Does what stands there count? */
  async #judge(
    call: { readonly key: string; readonly tags: readonly string[]; readonly method: string | undefined },
    snapshot: Snapshot,
    budget: number | undefined,
  ): Promise<Found> {
    const { record, nonces } = snapshot;
    if (record === null) return this.#miss(call, 'absent', undefined);
    const entry = decodeEntry(call.key, record);
    if (entry === undefined) {
      const lease = isLease(record);
      return this.#miss(call, lease ? 'absent' : 'undecodable', lease ? undefined : tokenOf(record));
    }
    if (entry.clearNonce !== nonces[0]) return this.#miss(call, 'invalidated', entry.token);
    if (entry.tags.length > 0 || call.tags.length > 0) {
      // Before their nonces are read: a mark that is settled later has changed the nonces by then.
      if (this.#pending.covers(call.key, tagNames(entry.tags))) return AWAY;
      let valid: boolean;
      try {
        valid = await this.#tagsStand(entry, call.tags, nonces, budget);
      } catch (error) {
        this.#unavailable('read', call.key, call.method, error);
        return AWAY;
      }
      if (!valid) return this.#miss(call, 'invalidated', entry.token);
    }
    if (!this.#floors.allows(call.key, this.#localTime(entry.loadStart))) return this.#miss(call, 'outdated', entry.token);
    const decoded = decodeValue(entry.codec, entry.payload);
    if (decoded === undefined) return this.#miss(call, 'undecodable', entry.token);
    if (channels.hit.hasSubscribers) this.#publish('hit', call.method, { key: call.key, tier: 'l2' });
    return { is: 'hit', value: decoded.value, tagged: entry.tags };
  }

  /** Every tag of the entry has its nonce still, and every tag of the call is among them. */
  async #tagsStand(
    entry: Entry,
    asked: readonly string[],
    nonces: readonly (string | null)[],
    budget: number | undefined,
  ): Promise<boolean> {
    const now = new Map<string, string | null>();
    asked.forEach((tag, i) => now.set(tag, nonces[i + 1] ?? null));
    const names = tagNames(entry.tags);
    if (asked.some((tag) => !names.includes(tag))) return false;
    const others = names.filter((tag) => !now.has(tag));
    if (others.length > 0) {
      const read = await this.#store.nonces(
        others.map((tag) => tagKey(this.#namespace, tag)),
        budget,
      );
      others.forEach((tag, i) => now.set(tag, read[i] ?? null));
    }
    return entry.tags.every(({ tag, nonce }) => now.get(tag) === nonce);
  }

  #miss(
    call: { readonly key: string; readonly method: string | undefined },
    cause: CachementEvents['miss']['cause'],
    replaces: string | undefined,
  ): Found {
    if (channels.miss.hasSubscribers) this.#publish('miss', call.method, { key: call.key, cause });
    return replaces === undefined ? MISS : { is: 'miss', replaces };
  }

  // --- the load ---------------------------------------------------------------------------------------------

  /** One flight, from its start to the proof of its value. Never rejects: the flight carries the error. */
  async #fly<T>(flight: Flight, call: ReadCall<T>, found: Found, begun: number): Promise<void> {
    let asOf = NEVER;
    try {
      const right = found.is === 'miss' ? await this.#acquire(flight, call, found.replaces, begun) : undefined;
      if (right !== undefined && 'asOf' in right) {
        this.#publish('coalesced', call.method, { key: call.key, with: 'fleet' });
        flight.land(right);
      } else if (right === undefined) {
        flight.land(await this.#loadAlone(flight, call));
      } else {
        asOf = await this.#loadUnder(right, flight, call);
      }
    } catch (error) {
      flight.crash(error);
    } finally {
      this.#flights.arrive(flight);
      flight.prove(asOf);
    }
  }

  /**
   * Takes the lease, or waits for whoever has it and returns what it stored.
   * @returns undefined: load without one (the store is away, the wait is over, the key is not ours)
   */
  async #acquire<T>(
    flight: Flight,
    call: ReadCall<T>,
    replaces: string | undefined,
    begun: number,
  ): Promise<Lease | Landing | undefined> {
    const redisKey = entryKey(this.#namespace, call.key);
    const token = newToken();
    const waitUntil = this.#clock.now() + call.policy.wait;
    flight.lost = this.#clock.now() - begun;
    let poll = FIRST_POLL;
    for (;;) {
      const budget = call.policy.budget - flight.lost;
      if (budget <= 0) return undefined;
      const woken = this.#listen(redisKey);
      try {
        const since = this.#clock.now();
        const asOf = ++this.#ordinal;
        const [reply, minted] = await this.#askForLease(call, token, replaces, budget);
        flight.lost += this.#clock.now() - since;
        switch (reply.status) {
          case 'granted':
            return { token, minted, at: reply.at, since };
          case 'foreign':
            this.report('lease', call.key, call.method, foreign(redisKey));
            return undefined;
          case 'present': {
            const found = await this.#judge(call, { record: reply.record, nonces: minted.nonces }, budget);
            if (found.is === 'hit') return { value: found.value, asOf, since, tagged: found.tagged };
            if (found.is === 'away') return undefined;
            replaces = found.replaces;
            break;
          }
          case 'held': {
            const left = waitUntil - this.#clock.now();
            if (left <= 0) return undefined;
            const jittered = poll * (0.75 + this.#clock.random() / 2);
            await woken.within(Math.max(1, Math.min(left, jittered, reply.forMs + 1)));
            poll = Math.min(poll * 2, LAST_POLL);
            // A store that answers is not what this call waits for: each answer has the whole budget again.
            flight.lost = 0;
          }
        }
      } catch (error) {
        this.#unavailable('lease', call.key, call.method, error);
        this.#background(this.#store.release(redisKey, token));
        return undefined;
      } finally {
        woken.end();
      }
    }
  }

  /** Lease and nonces in one round trip: both must be there before the load begins. */
  async #askForLease<T>(
    call: ReadCall<T>,
    token: string,
    replaces: string | undefined,
    budget?: number,
  ): Promise<readonly [LeaseReply, Minted]> {
    const { policy } = call;
    const since = this.#clock.now();
    const epochs = call.tagsOf === undefined ? undefined : this.#epochsKey;
    const redisKey = entryKey(this.#namespace, call.key);
    const both = await Promise.all([
      this.#store.lease(redisKey, token, policy.lease, replaces, budget),
      this.#store.mint(this.#nonceKeys(call.tags), epochs, newToken(), policy.ttl + TAG_MARGIN, budget),
    ]);
    const [reply] = both;
    if (reply.status === 'granted' || reply.status === 'held') this.#storeClock = { at: reply.at, since };
    return both;
  }

  /** The load without the store: returned, never stored. */
  async #loadAlone<T>(flight: Flight, call: ReadCall<T>): Promise<Landing> {
    const asOf = ++this.#ordinal;
    const since = (flight.loadStart = this.#clock.now());
    const value = await this.#run(call, false, undefined);
    this.#floors.raise(call.key, since);
    return { value, asOf, since, tagged: undefined };
  }

  /**
   * The load under a lease. Callers have the value as soon as it is there; then it is stored, if lease and
   * nonces still stand.
   * @returns the ordinal from which on the store vouches for the value, or -1
   */
  async #loadUnder<T>(lease: Lease, flight: Flight, call: ReadCall<T>): Promise<number> {
    const { policy } = call;
    const capture = policy.inheritTags ? new Capture() : undefined;
    const redisKey = entryKey(this.#namespace, call.key);
    this.#leases.set(redisKey, lease.token);
    const stopExtending = this.#extend(redisKey, lease.token, policy.lease);
    let landed = false;
    try {
      // What overtook the flight while it waited for its lease came before this load, and does not concern it.
      flight.detached = false;
      const asOf = ++this.#ordinal;
      const since = (flight.loadStart = this.#clock.now());
      const value = await this.#run(call, true, capture);
      const ttl = call.unless?.(value) === true ? 0 : this.#ttlFor(policy, value);
      const encoded = ttl > 0 ? this.#encode(call, value) : undefined;
      const known = merge(pair(call.tags, lease.minted.nonces, 1), capture);
      const late = call.tagsOf?.(value).filter((tag) => !known?.some((one) => one.tag === tag)) ?? [];
      // Callers may have the value before the store has taken it, and it may refuse.
      const floor = this.#floors.raise(call.key, since);
      flight.land({ value, asOf, since, tagged: late.length === 0 ? known : undefined });
      landed = true;
      if (known === undefined || this.#overtaken(flight, call, late)) {
        if (encoded !== undefined) this.#refused(call, 'invalidated');
        await this.#release(call.key, lease);
        return NEVER;
      }
      const tagged = late.length === 0 ? known : await this.#lateTags(call, lease, known, late);
      if (tagged === undefined) {
        if (encoded !== undefined) this.#refused(call, 'tag invalidated');
        await this.#release(call.key, lease);
        return NEVER;
      }
      return await this.#vouch(lease, tagged, async () => {
        const held = await (encoded === undefined
          ? this.#release(call.key, lease)
          : this.#fill(call, lease, tagged, encoded, ttl));
        // Nobody else has loaded under a lease meanwhile: what stands there from now on is of no earlier load.
        if (held) this.#floors.lower(call.key, since, floor);
        return held;
      });
    } catch (error) {
      this.#background(this.#release(call.key, lease));
      if (landed) this.report('fill', call.key, call.method, error);
      else flight.crash(error);
      return NEVER;
    } finally {
      stopExtending();
      this.#leases.delete(redisKey);
    }
  }

  /** An invalidation of this process came after the load began, acknowledged or not. */
  #overtaken<T>(flight: Flight, call: ReadCall<T>, late: readonly string[]): boolean {
    return flight.detached || this.#pending.covers(call.key, [...call.tags, ...late]);
  }

  /** Runs the loader. One that asks for its own key, as a facade over a repository may, is not to wait for itself. */
  async #start<T>(call: ReadCall<T>, capture: Capture | undefined): Promise<T> {
    this.#starting.add(call.key);
    try {
      // Not awaited here: the key is marked only while the loader's first, synchronous part runs.
      return capture === undefined ? call.load() : capturing(capture, call.load);
    } finally {
      this.#starting.delete(call.key);
    }
  }

  async #run<T>(call: ReadCall<T>, leased: boolean, capture: Capture | undefined): Promise<T> {
    if (capture === undefined && !channels.load.hasSubscribers) return this.#start(call, undefined);
    const begun = this.#clock.now();
    let failure: unknown;
    try {
      return await this.#start(call, capture);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      const ms = this.#clock.now() - begun;
      this.#publish('load', call.method, { key: call.key, ms, error: failure, leased });
    }
  }

  /**
   * Ends the lease by `settle` and reads the nonces again, in one round trip. If the lease was still there and
   * the nonces are those from before the load, nothing had been invalidated when the two were sent.
   */
  async #vouch(lease: Lease, tagged: readonly Tagged[], settle: () => Promise<boolean>): Promise<number> {
    const asOf = ++this.#ordinal;
    const [held, nonces] = await Promise.all([
      settle(),
      this.#store.nonces(this.#nonceKeys(tagNames(tagged))),
    ]);
    const stood =
      nonces[0] === lease.minted.nonces[0] && tagged.every(({ nonce }, i) => nonces[i + 1] === nonce);
    return held && stood ? asOf : NEVER;
  }

  /** Tags that only the result told: their nonces count if their epochs have not moved since before the load. */
  async #lateTags<T>(
    call: ReadCall<T>,
    lease: Lease,
    known: readonly Tagged[],
    late: readonly string[],
  ): Promise<readonly Tagged[] | undefined> {
    const keys = late.map((tag) => tagKey(this.#namespace, tag));
    const lifetime = call.policy.ttl + TAG_MARGIN;
    const now = await this.#store.mint(keys, this.#epochsKey, newToken(), lifetime);
    if (!sameEpochs(lease.minted.epochs, now.epochs, late)) return undefined;
    return [...known, ...pair(late, now.nonces)!];
  }

  async #fill<T>(
    call: ReadCall<T>,
    lease: Lease,
    tagged: readonly Tagged[],
    encoded: { readonly codec: number; readonly payload: Buffer },
    ttl: number,
  ): Promise<boolean> {
    const left = Math.floor(ttl - (this.#clock.now() - lease.since));
    if (left <= 0) {
      this.#refused(call, 'expired');
      return this.#release(call.key, lease);
    }
    const record = encodeEntry(call.key, {
      token: lease.token,
      codec: encoded.codec,
      loadStart: lease.at,
      freshUntil: lease.at + ttl,
      clearNonce: lease.minted.nonces[0]!,
      tags: tagged,
      payload: encoded.payload,
    });
    const stored = await this.#store.fill(
      entryKey(this.#namespace, call.key),
      lease.token,
      record,
      left,
    );
    if (stored) this.#publish('fill', call.method, { key: call.key, bytes: record.length, ttlMs: left });
    else this.#refused(call, 'invalidated');
    return stored;
  }

  #release(key: string, lease: Lease): Promise<boolean> {
    return this.#store.release(entryKey(this.#namespace, key), lease.token);
  }

  /** Keeps the lease while the load runs. A lease that is lost is not taken back: the fill will be refused. */
  #extend(redisKey: string, token: string, lease: number): () => void {
    let left = EXTENSIONS;
    let timer = this.#clock.after(lease / 2, extend.bind(this));
    function extend(this: Cache): void {
      if (left-- <= 0) return;
      timer = this.#clock.after(lease / 2, extend.bind(this));
      this.#background(
        this.#store.extend(redisKey, token, lease).then((held) => {
          if (!held) left = 0;
        }),
      );
    }
    return () => {
      left = 0;
      timer.cancel();
    };
  }

  // --- the pieces -------------------------------------------------------------------------------------------

  /** The life of this value, its jitter taken off; 0: it is not stored. */
  #ttlFor(policy: Policy, value: unknown): number {
    const full = value === null || value === undefined ? policy.negativeTtl : policy.ttl;
    return full * (1 - policy.jitter * this.#clock.random());
  }

  /** Undefined: not to be stored. @throws ValueError if the policy is to tell the caller */
  #encode<T>(call: ReadCall<T>, value: T): { readonly codec: number; readonly payload: Buffer } | undefined {
    const { maxValueBytes, onUnsupported } = call.policy;
    try {
      return encodeValue(value, { maxBytes: maxValueBytes, maxDepth: MAX_DEPTH });
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const tooLarge = error.reason === 'too large';
      if (!tooLarge && onUnsupported === 'throw') throw error;
      this.report('encode', call.key, call.method, error);
      this.#refused(call, tooLarge ? 'too large' : 'unsupported');
      return undefined;
    }
  }

  async #remove({ keys, tags, all }: Target): Promise<void> {
    const done: Promise<void>[] = [];
    if (keys.length > 0) done.push(this.#store.remove(keys.map((key) => entryKey(this.#namespace, key))));
    if (all || tags.length > 0) {
      const nonceKeys = tags.map((tag) => tagKey(this.#namespace, tag));
      if (all) nonceKeys.push(this.#clearKey);
      done.push(this.#store.removeNonces(nonceKeys, this.#epochsKey, tags.map(bucketOf), newToken()));
    }
    await Promise.all(done);
  }

  /** The clear nonce first, then the tags'. */
  #nonceKeys(tags: readonly string[]): readonly string[] {
    if (tags.length === 0) return [this.#clearKey];
    return [this.#clearKey, ...tags.map((tag) => tagKey(this.#namespace, tag))];
  }

  /** Our clock when the store's showed `at`, rather early than late; undefined if the store never told. */
  #localTime(at: number): number | undefined {
    const known = this.#storeClock;
    return known === undefined ? undefined : known.since + (at - known.at);
  }

  /** What `proven` settles with, or -1 after `ms`. */
  async #within(proven: Promise<number>, ms: number): Promise<number> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(Math.max(0, ms), () => resolve(NEVER));
      void proven.then((asOf) => {
        timer.cancel();
        resolve(asOf);
      });
    });
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
        const timer = this.#clock.after(ms, resolve);
        wake = () => {
          timer.cancel();
          resolve();
        };
      });
    };
    return { within, end };
  }

  #background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.report('background', undefined, undefined, error));
  }

  #refused<T>(call: ReadCall<T>, reason: CachementEvents['refused']['reason']): void {
    this.#publish('refused', call.method, { key: call.key, reason });
  }

  /** The one place where the store's failures pass: reported, and anything else is a defect that goes on. */
  #unavailable(
    operation: string,
    key: string | undefined,
    method: string | undefined,
    error: unknown,
  ): StoreUnavailableError {
    this.report(operation, key, method, error);
    if (error instanceof StoreUnavailableError) return error;
    throw error;
  }

  /** Publishes what no caller is told of. */
  report(operation: string, key: string | undefined, method: string | undefined, error: unknown): void {
    this.#publish('error', method, { operation, key, error });
  }

  #publish<Name extends keyof CachementEvents>(
    name: Name,
    method: string | undefined,
    event: Omit<CachementEvents[Name], 'namespace' | 'method'>,
  ): void {
    const to = channels[name];
    if (to.hasSubscribers) to.publish({ namespace: this.#namespace, method, ...event });
  }
}

function tagNames(tagged: readonly Tagged[]): readonly string[] {
  return tagged.map(({ tag }) => tag);
}

/** Undefined if one tag was seen with two nonces, or without one: then nothing can be proven. */
function merge(
  own: readonly Tagged[] | undefined,
  capture: Capture | undefined,
): readonly Tagged[] | undefined {
  if (own === undefined || capture === undefined) return own;
  capture.add(own);
  return capture.provable ? capture.tagged : undefined;
}

/**
 * Tags as the store names them, each once.
 * @throws OptionsError, KeyError
 */
export function normaliseTags(tags: readonly string[] | undefined, where: string): readonly string[] {
  if (tags === undefined) return [];
  if (!Array.isArray(tags) || tags.length > MAX_TAGS) {
    throw new OptionsError(
      `The tags of ${where} are a list of at most ${MAX_TAGS} strings, and ` +
        `${Array.isArray(tags) ? `${tags.length} of them` : typeof tags} came.`,
    );
  }
  return [...new Set(tags.map((tag) => logicalKey(tag, `the tags of ${where}`)))];
}

function foreign(redisKey: string): StoreUnavailableError {
  return new StoreUnavailableError(
    `A value of another type stands at ${redisKey}. It is left alone, and the method runs uncached. ` +
      'Remove it, or give this Caching another namespace.',
    'refused',
  );
}
