import { decodeEntry, isLease, tagNames, tokenOf, type Entry } from './entry.js';
import { channels, type CachementEvents } from './events.js';
import type { Snapshot } from './ports.js';
import { AWAY, MISS, type Found, type ReadCall } from './read-call.js';
import type { Subject } from './reporter.js';
import { decodeValue } from './values.js';
import type { Workings } from './workings.js';

/** For whom it is judged whether an entry counts. */
interface Asker extends Subject {
  readonly tags: readonly string[];
}

/** The look into the store: what stands at a key, and whether it counts. */
export class Looks {
  readonly #in: Workings;

  constructor(shared: Workings) {
    this.#in = shared;
  }

  /** The look of a cached call, which goes on without a store that fails. */
  async look<T>(call: ReadCall<T>): Promise<Found> {
    const { store, names, pending, reporter } = this.#in;
    if (pending.covers(call.key, call.tags)) return AWAY;
    let snapshot: Snapshot;
    try {
      snapshot = await store.read(names.entry(call.key), names.nonces(call.tags), call.policy.budget);
    } catch (error) {
      reporter.unavailable('read', call, error);
      return AWAY;
    }
    return this.judge(call, snapshot, call.policy.budget);
  }

  /** Like a look, for the plain verbs: the store's failure is the caller's to know. */
  async peek(key: string): Promise<Found> {
    const { store, names, pending } = this.#in;
    if (pending.covers(key, [])) return MISS;
    const snapshot = await store.read(names.entry(key), [names.clear]);
    const found = await this.judge({ key, tags: [], method: undefined }, snapshot, undefined);
    return found.is === 'away' ? MISS : found;
  }

  /** Does what stands there count? */
  async judge(asker: Asker, { record, nonces }: Snapshot, budget: number | undefined): Promise<Found> {
    const { pending, floors, storeTime, reporter } = this.#in;
    if (record === null) return this.#miss(asker, 'absent', undefined);
    const entry = decodeEntry(asker.key, record);
    if (entry === undefined) {
      const lease = isLease(record);
      return this.#miss(asker, lease ? 'absent' : 'undecodable', lease ? undefined : tokenOf(record));
    }
    if (entry.clearNonce !== nonces[0]) return this.#miss(asker, 'invalidated', entry.token);
    if (entry.tags.length > 0 || asker.tags.length > 0) {
      // Before their nonces are read: a mark that is settled later has changed the nonces by then.
      if (pending.covers(asker.key, tagNames(entry.tags))) return AWAY;
      let valid: boolean;
      try {
        valid = await this.#tagsStand(entry, asker.tags, nonces, budget);
      } catch (error) {
        reporter.unavailable('read', asker, error);
        return AWAY;
      }
      if (!valid) return this.#miss(asker, 'invalidated', entry.token);
    }
    const allowed = floors.allows(asker.key, storeTime.local(entry.loadStart));
    if (!allowed) return this.#miss(asker, 'outdated', entry.token);
    const decoded = decodeValue(entry.codec, entry.payload);
    if (decoded === undefined) return this.#miss(asker, 'undecodable', entry.token);
    if (channels.hit.hasSubscribers) reporter.publish('hit', asker.method, { key: asker.key, tier: 'l2' });
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
    const carried = tagNames(entry.tags);
    if (asked.some((tag) => !carried.includes(tag))) return false;
    const others = carried.filter((tag) => !now.has(tag));
    if (others.length > 0) {
      const read = await this.#in.store.nonces(this.#in.names.tags(others), budget);
      others.forEach((tag, i) => now.set(tag, read[i] ?? null));
    }
    return entry.tags.every(({ tag, nonce }) => now.get(tag) === nonce);
  }

  #miss(
    { key, method }: Subject,
    cause: CachementEvents['miss']['cause'],
    replaces: string | undefined,
  ): Found {
    if (channels.miss.hasSubscribers) this.#in.reporter.publish('miss', method, { key, cause });
    return replaces === undefined ? MISS : { is: 'miss', replaces };
  }
}
