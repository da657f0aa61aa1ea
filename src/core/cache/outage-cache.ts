import { BoundedMap } from '../l1/bounded-map.js';
import { ChangeLog } from '../l1/change-log.js';
import { L1Entry, type L1Record } from '../l1/l1-entry.js';
import type { L1Settings } from '../l1/l1-options.js';
import type { Clock } from '../ports/clock.js';
import type { Serializer } from '../values/serializer.js';
import type { EncodedValue } from '../values/value-codec.js';
import type { InvalidationTarget } from './pending-invalidations.js';

/** A loaded value and what ends it. */
export interface LoadedValue {
  readonly encoded: EncodedValue;
  readonly serializer: Serializer | undefined;
  readonly tags: readonly string[];
  /** When its load started, by this process' clock. */
  readonly loadedAt: number;
  /** By this process' clock. */
  readonly expiresAt: number;
}

class OutageEntry extends L1Entry {
  /** The sequence number of the changes when its load started. */
  readonly since: number;

  constructor(
    key: string,
    { loadedAt, ...record }: Omit<L1Record, 'decoded'> & { readonly loadedAt: number },
    settings: L1Settings,
    since: number,
  ) {
    super(key, { ...record, decoded: undefined }, [], settings, { at: loadedAt, epoch: 0 });
    this.since = since;
  }
}

/**
 * Values that this process has loaded while the store was away, for `outage: { l1: '2s' }`: they spare the database the
 * same load again. They are returned only while the store does not answer. An invalidation of this process ends them at
 * once; those of other processes cannot be known, so they live for seconds.
 */
export class OutageCache {
  readonly #clock: Clock;
  readonly #settings: L1Settings;
  readonly #entries: BoundedMap<OutageEntry>;
  readonly #changes = new ChangeLog();

  constructor(settings: L1Settings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    const limits = { maxEntries: settings.maxEntries, maxWeight: settings.maxBytes };
    this.#entries = new BoundedMap(limits, undefined, Math.trunc(clock.random() * 2 ** 32));
  }

  /** The number to pass to `keep` for a load that starts now. */
  get sequence(): number {
    return this.#changes.now;
  }

  /** Returns the value of a key, if it has all tags of the call, and its serializer. */
  find(key: string, tags: readonly string[], serializer?: Serializer): L1Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // guard: outage-value-ends
    // guard: invalidated-outage-value-ends
    const isCurrent =
      this.#clock.now() < entry.expiresAt && this.#changes.isUnchanged(entry.since, key, entry.tags);
    if (!isCurrent) this.#entries.delete(key);
    // guard: outage-value-is-of-this-serializer
    return isCurrent && entry.serializer === serializer && entry.hasTags(tags) ? entry : undefined;
  }

  /** @param since `sequence` before the load: what was invalidated since then is not kept */
  keep(key: string, { encoded, tags, loadedAt, expiresAt, serializer }: LoadedValue, since: number): void {
    const entry = { token: '', clearNonce: '', tags: tags.map((tag) => ({ tag, nonce: '' })), ...encoded };
    this.#entries.set(
      new OutageEntry(key, { entry, expiresAt, loadedAt, serializer }, this.#settings, since),
    );
  }

  /** This process invalidates entries. */
  invalidate({ keys, tags, all }: InvalidationTarget): void {
    for (const key of keys) this.#changes.key(key);
    for (const tag of tags) this.#changes.tag(tag);
    if (all) this.clear();
  }

  clear(): void {
    this.#changes.all();
    this.#entries.clear();
  }
}
