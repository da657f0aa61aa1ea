import type { ChangeListener } from '../ports/change-feed.js';
import type { Clock } from '../ports/clock.js';
import type { RememberedKey } from '../keys/key-memo.js';
import type { StoreKeys } from '../keys/store-keys.js';
import { BoundedMap } from './bounded-map.js';
import { ChangeLog } from './change-log.js';
import { L1Entry, type L1Record } from './l1-entry.js';
import type { L1Settings } from './l1-options.js';
import type { Serializer } from '../values/serializer.js';
import { TagNonces, type NonceState } from './nonces.js';

/**
 * How long entries are trusted after the moment up to which all changes are known to have arrived. The adapter confirms
 * every heartbeat, so that one heartbeat may be late.
 */
export const TRUST_MS = 1_000;

/** What an invalidation of this process covers. */
interface Target {
  readonly keys: readonly string[];
  readonly tags: readonly string[];
  readonly all: boolean;
}

/**
 * Values in the memory of this process, in front of the store.
 *
 * An entry is returned while four conditions hold: its time has not passed; its key has not changed; its nonces (of its
 * tags, and of the namespace) are the current ones; and no change can have been missed, which the adapter confirms with
 * every heartbeat. Changes come from this process (`invalidate`, `supersede`) and from the adapter (`changed`).
 *
 * Comparing the nonces of an entry at every hit would make tags slow. So the L1 counts *epochs*: a new one begins when a
 * nonce stops being current. An entry whose nonces were compared in this epoch needs no comparison.
 *
 * @see G2, G3, G4 in docs/coherence.md
 */
export class L1Cache implements ChangeListener {
  readonly settings: L1Settings;
  readonly #clock: Clock;
  readonly #names: StoreKeys;
  readonly #entries: BoundedMap<L1Entry>;
  readonly #tags = new TagNonces();
  readonly #changes = new ChangeLog();
  #clear: NonceState = { value: undefined, learnedAt: 0, entries: 0 };
  #epoch = 0;
  /** By this process' clock. */
  #trustedUntil: number;
  #isClosed = false;
  readonly #mustConfirm: boolean;

  constructor(settings: L1Settings, names: StoreKeys, clock: Clock) {
    this.settings = settings;
    this.#clock = clock;
    this.#names = names;
    this.#mustConfirm = settings.coherence === 'validate';
    this.#trustedUntil = this.#mustConfirm ? Infinity : -Infinity;
    const release = (entry: L1Entry): void => this.#tags.release(entry.tags, entry.nonces);
    const limits = { maxEntries: settings.maxEntries, maxWeight: settings.maxBytes };
    this.#entries = new BoundedMap(limits, release, Math.trunc(clock.random() * 2 ** 32));
  }

  /**
   * Returns an entry that may be returned to callers without asking the store. Under `validate` it may not: the store must
   * confirm it.
   *
   * @param maxAge how long ago it may have been kept, in ms; 0: no entry may be returned
   * @param serializer of the call: an entry with another one has another value
   */
  find(key: string, maxAge: number, serializer?: Serializer): L1Entry | undefined {
    if (maxAge === 0) return undefined;
    const entry = this.#entries.get(key);
    return entry !== undefined && this.#mayReturn(entry, maxAge, serializer) ? entry : undefined;
  }

  /** As `find`. From the second call on, the remembered key leads to its entry without a lookup. */
  findRemembered(key: RememberedKey, maxAge: number, serializer?: Serializer): L1Entry | undefined {
    const entry = key.found as L1Entry | undefined;
    // guard: remembered-entry-is-of-this-memory
    if (entry !== undefined && entry.owner === this && maxAge !== 0) {
      this.#entries.use(entry);
      return this.#mayReturn(entry, maxAge, serializer) ? entry : undefined;
    }
    const found = this.find(key.text, maxAge, serializer);
    found?.rememberIn(key);
    return found;
  }

  #mayReturn(entry: L1Entry, maxAge: number, serializer: Serializer | undefined): boolean {
    // guard: value-in-memory-is-of-this-serializer
    if (entry.serializer !== serializer) return false;
    // Not a reading of the same tick: a computation between two calls takes time, in which messages do not arrive.
    const now = this.#clock.now();
    // guard: l1-entry-ends-with-its-ttl
    if (now >= entry.expiresAt) {
      this.#drop(entry.key);
      return false;
    }
    // guard: l1-is-not-trusted-without-heartbeats
    if (now >= this.#trustedUntil) return false;
    // guard: call-with-its-own-l1-ttl
    if (now - entry.keptAt >= maxAge) return false;
    return entry.epoch === this.#epoch || this.#hasCurrentNonces(entry);
  }

  /**
   * Says why a call must ask the store, for `explain`. Checks what `find` and `hasTags` check.
   *
   * @returns undefined if the entry may be returned
   */
  explain(key: string, tags: readonly string[], maxAge: number, serializer?: Serializer): string | undefined {
    if (maxAge === 0) return 'l1 of the call is false';
    const entry = this.#entries.peek(key);
    const now = this.#clock.now();
    if (entry === undefined || now >= entry.expiresAt) return 'it does not have the value';
    if (entry.serializer !== serializer) return 'it has the value of another revive, schema or codec';
    if (this.#mustConfirm) return "coherence: 'validate' asks the store in every call";
    if (now >= this.#trustedUntil) {
      const since = Number.isFinite(this.#trustedUntil)
        ? `for ${Math.round(now - this.#trustedUntil + TRUST_MS)} ms`
        : 'yet';
      return `no message has confirmed ${since} that it has missed no change`;
    }
    if (now - entry.keptAt >= maxAge) {
      return `it has had the value for ${Math.round(now - entry.keptAt)} ms, and l1.ttl of the call is ${maxAge} ms`;
    }
    if (!this.#hasCurrentNonces(entry)) return 'one of its tags or the namespace was invalidated';
    return entry.hasTags(tags) ? undefined : 'its value does not have a tag of the call';
  }

  /** True if the store must confirm an entry at every hit. */
  get mustConfirm(): boolean {
    return this.#mustConfirm;
  }

  /** The number to pass to `keep` for a request that is sent now. */
  get sequence(): number {
    return this.#changes.now;
  }

  /**
   * Keeps a record that the store has returned or stored, unless something that it depends on has changed since it was
   * requested.
   *
   * @param since `sequence` when the request was sent
   */
  keep(key: string, record: L1Record, since: number): void {
    const { token, clearNonce, tags } = record.entry;
    // guard: changed-since-it-was-requested-is-not-kept
    if (this.#isClosed || !this.#changes.isUnchanged(since, key, tags)) {
      // A call has got the record all the same.
      // guard: record-that-is-not-kept-ends-older-ones
      this.observe(key, token);
      return;
    }
    // What was requested earlier may be older, also if this record is not kept, or is evicted at once.
    // guard: older-reply-is-not-kept-after-a-newer-one
    this.supersede(key);
    const now = this.#clock.now();
    const expiresAt = Math.min(record.expiresAt, now + this.settings.ttl);
    if (expiresAt <= now) return;
    const nonces = this.#tags.retain(tags);
    const isCurrent = [
      this.#learn(this.#clear, clearNonce, since),
      ...nonces.map((state, i) => this.#learn(state, tags[i]!.nonce, since)),
    ].every(Boolean);
    if (!isCurrent) {
      this.#tags.release(tags, nonces);
      return;
    }
    const kept = { at: now, epoch: this.#epoch, by: this };
    this.#entries.set(new L1Entry(key, { ...record, expiresAt }, nonces, this.settings, kept));
  }

  /**
   * A call has got a value of this key that is not kept, or will not be until it is stored. Older values must not be
   * returned after it.
   *
   * @see G4
   */
  supersede(key: string): void {
    this.#drop(key);
    this.#changes.key(key);
  }

  /** A call has got this record of the key past the L1. Another one in memory may be older. @see G4 */
  observe(key: string, token: string): void {
    if (this.#entries.peek(key)?.token !== token) this.supersede(key);
  }

  /** This process invalidates entries. @see G3 */
  invalidate({ keys, tags, all }: Target): void {
    for (const key of keys) this.supersede(key);
    for (const tag of tags) this.#forgetTag(tag);
    if (all) this.interrupted(this.#trustedUntil);
  }

  changed(storeKeys: readonly string[]): void {
    for (const storeKey of storeKeys) {
      const name = this.#names.parse(storeKey);
      if (name?.kind === 'entry') this.supersede(name.key);
      else if (name?.kind === 'tag') this.#forgetTag(name.tag);
      else if (name?.kind === 'clear') this.#forget(this.#clear, () => this.#changes.all());
    }
  }

  confirmed(time: number): void {
    if (!this.#isClosed) this.#trustedUntil = Math.max(this.#trustedUntil, time + TRUST_MS);
  }

  /** @param trustedUntil what remains trusted: by default nothing is until the next confirmation */
  interrupted(trustedUntil = -Infinity): void {
    this.#trustedUntil = trustedUntil;
    this.#entries.clear();
    this.#tags.clear();
    this.#clear = { value: undefined, learnedAt: 0, entries: 0 };
    this.#changes.all();
  }

  /** Drops everything, and keeps nothing from now on. */
  close(): void {
    this.#isClosed = true;
    this.interrupted();
  }

  /** For tests and benchmarks. */
  get size(): { readonly entries: number; readonly bytes: number; readonly tags: number } {
    return { entries: this.#entries.size, bytes: this.#entries.weight, tags: this.#tags.size };
  }

  #hasCurrentNonces(entry: L1Entry): boolean {
    const { clearNonce, tags, nonces } = entry;
    // guard: l1-entry-has-the-current-clear-nonce
    if (this.#clear.value !== clearNonce) return false;
    // guard: l1-entry-has-the-current-tag-nonces
    if (nonces.some((state, i) => state.value !== tags[i]!.nonce)) return false;
    entry.epoch = this.#epoch;
    return true;
  }

  #drop(key: string): void {
    const entry = this.#entries.delete(key);
    if (entry !== undefined) this.#tags.release(entry.tags, entry.nonces);
  }

  #forgetTag(tag: string): void {
    this.#changes.tag(tag);
    const state = this.#tags.get(tag);
    if (state !== undefined) this.#forget(state, () => {});
  }

  #forget(state: NonceState, log: () => void): void {
    log();
    state.value = undefined;
    this.#epoch += 1;
  }

  /**
   * Records the current value of a nonce. If another one was learned after the request was sent, either may be the newer
   * one, and none is taken for current.
   */
  #learn(state: NonceState, value: string, since: number): boolean {
    if (state.value === value) return true;
    if (state.value !== undefined) this.#epoch += 1;
    // guard: of-two-nonces-none-is-current
    const isNewer = state.value === undefined || state.learnedAt <= since;
    state.value = isNewer ? value : undefined;
    state.learnedAt = this.#changes.next();
    return isNewer;
  }
}
