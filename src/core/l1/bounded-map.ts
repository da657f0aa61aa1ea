import { LinkedSet, type Linked } from '../shared/linked-set.js';
import { FrequencySketch } from './frequency-sketch.js';

/** The part of both limits that the window has at first, and may have. */
const FIRST_SHARE = 0.01;
const MAX_SHARE = 0.8;
/** The share changes by this at first, and by less each time until the hit ratio changes by `SHIFT`: other keys are asked for. */
const FIRST_STEP = 1 / 16;
const STEP_DECAY = 0.8;
const SHIFT = 0.05;
/** Hit ratios are compared after so many requests for each entry. */
const REQUESTS_PER_ENTRY = 10;
/** An entry with more than this part of the weight does not enter the window: all others would have to leave it. */
const MAX_PART_IN_WINDOW = 1 / 8;
/** The hand passes at most so many entries to find a victim: one `set` must not walk through the whole map. */
const MAX_PASSED = 128;
/** Of candidates that were asked for so often, one of so many is admitted whatever the frequency of the victim. */
const UPSET_FREQUENCY = 4;
const CANDIDATES_PER_UPSET = 128;

/** An entry of a `BoundedMap`. Subclasses add their own fields. Only the map writes those of this class. */
export abstract class BoundedEntry implements Linked<BoundedEntry> {
  readonly key: string;
  /** In bytes. */
  readonly weight: number;
  /** Whether `get` returned it since it entered its queue, or since the hand passed it. */
  isUsed = false;
  isInWindow = false;
  hash = 0;
  isLinked = false;
  before: BoundedEntry | undefined = undefined;
  after: BoundedEntry | undefined = undefined;

  constructor(key: string, weight: number) {
    this.key = key;
    this.weight = weight;
  }

  /** Called when the entry has left the map. */
  removed(): void {}
}

/**
 * A map bounded by a number of entries and by a weight, which keeps what is asked for often: many keys that are asked for
 * once do not evict the others.
 *
 * The policy is W-TinyLFU, with the hand of SIEVE in place of lists that every hit changes:
 *
 * - A new entry enters the window. The oldest entry of a full window is a candidate for the main queue.
 * - In the main queue a hand moves from the oldest to the newest entry, and on from the oldest. The victim is the first entry
 *   that was not used since the hand passed it.
 * - The candidate replaces the victim if it was asked for more often (`FrequencySketch`). Otherwise it is evicted.
 * - The sketch counts an entry when it is set, and once more if it was used when it leaves the window and when the hand
 *   passes. So a hit writes two fields and moves nothing.
 * - The window grows or shrinks, in steps, as long as that increases the hit ratio.
 *
 * Keys may be chosen by attackers. Keys that share all counters with an entry could keep its frequency high, so that no
 * candidate would ever replace it. Such keys are hard to find, as the hashes have a seed. If some are found, they do not pin
 * the entry: of the candidates that are asked for often, one of 128 is admitted in any case.
 *
 * benchmarks/eviction.js compares policies.
 */
export class BoundedMap<E extends BoundedEntry> {
  readonly #entries = new Map<string, E>();
  readonly #maxEntries: number;
  readonly #maxWeight: number;
  readonly #onEvict: ((entry: E) => void) | undefined;
  readonly #sketch: FrequencySketch;

  readonly #window = new LinkedSet<BoundedEntry>();
  readonly #main = new LinkedSet<BoundedEntry>();
  /** Where the search for the next victim begins; undefined: at the oldest entry. */
  #hand: BoundedEntry | undefined;
  #weight = 0;
  #windowSize = 0;
  #windowWeight = 0;

  /** The part of both limits that the window may have. One entry may be there in any case. */
  #share = FIRST_SHARE;
  #step = FIRST_STEP;
  #hits = 0;
  #misses = 0;
  #hitRatio: number | undefined;
  #random: number;

  /**
   * @param onEvict is called with each entry that the policy drops or does not admit; not for `delete`, `clear` and replaced
   * entries. It must neither throw nor change the map
   * @param seed an integer that attackers do not know
   */
  constructor(
    limits: { readonly maxEntries: number; readonly maxWeight: number },
    onEvict?: (entry: E) => void,
    seed = 0,
  ) {
    this.#maxEntries = limits.maxEntries;
    this.#maxWeight = limits.maxWeight;
    this.#onEvict = onEvict;
    this.#sketch = new FrequencySketch(seed);
    // Of zero, xorshift makes nothing but zeros.
    this.#random = seed | 1;
  }

  get size(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#weight;
  }

  /** The entry of the key. Counts as a use. */
  get(key: string): E | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.use(entry);
    return entry;
  }

  /** Counts a use of an entry of this map. */
  use(entry: E): void {
    entry.isUsed = true;
    this.#hits += 1;
  }

  /** The entry of the key. Does not count as a use. */
  peek(key: string): E | undefined {
    return this.#entries.get(key);
  }

  /**
   * Adds an entry, or replaces that of the same key.
   * @returns false if the policy does not admit it, or it is heavier than the map may be: then the key has no entry
   */
  set(entry: E): boolean {
    const replaced = this.delete(entry.key);
    // guard: too-heavy-entries-evict-nothing
    if (entry.weight > this.#maxWeight) {
      this.#onEvict?.(entry);
      return false;
    }
    this.#misses += 1;
    entry.hash = replaced?.hash ?? this.#sketch.hashOf(entry.key);
    this.#sketch.increment(entry.hash);
    this.#entries.set(entry.key, entry);
    this.#weight += entry.weight;
    this.#sketch.ensureCapacity(Math.min(this.#entries.size, this.#maxEntries));

    entry.isUsed = replaced?.isUsed ?? false;
    if (this.#exceedsLimits()) this.#adapt();
    // guard: heavy-entries-pass-the-window
    if (replaced?.isInWindow === false) this.#addToMain(entry);
    else if (entry.weight > this.#maxWeight * MAX_PART_IN_WINDOW) this.#admit(entry);
    else this.#addToWindow(entry);
    while (this.#windowExceedsShare()) {
      const candidate = this.#window.oldest as E;
      this.#removeFromWindow(candidate);
      this.#admit(candidate);
    }
    // The window has grown, or a heavier entry has replaced another one.
    while (this.#exceedsLimits()) this.#evict(this.#nextVictim() ?? (this.#window.oldest as E));
    return entry.isLinked;
  }

  delete(key: string): E | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#remove(entry);
    return entry;
  }

  /** Deletes all entries. How often keys were asked for is still known. */
  clear(): void {
    for (const entry of this.#entries.values()) this.#remove(entry);
  }

  /** The entries, in no order that matters. They may be deleted on the way. */
  values(): IterableIterator<E> {
    return this.#entries.values();
  }

  /** What the policy keeps of the entries. @internal for tests */
  get queues(): { window: E[]; main: E[]; windowSize: number; windowWeight: number } {
    return {
      window: this.#window.values() as E[],
      main: this.#main.values() as E[],
      windowSize: this.#windowSize,
      windowWeight: this.#windowWeight,
    };
  }

  /** Adds a candidate to the main queue if there is room, or if it is asked for more often than those that make room. */
  #admit(candidate: E): void {
    if (candidate.isUsed) this.#sketch.increment(candidate.hash);
    candidate.isUsed = false;
    // Now, for `#remove`: it is in the window no more.
    candidate.isInWindow = false;
    while (this.#exceedsLimits()) {
      const victim = this.#nextVictim();
      if (victim === undefined || !this.#beats(candidate, victim)) {
        this.#evict(candidate);
        return;
      }
      this.#evict(victim);
    }
    this.#addToMain(candidate);
  }

  #beats(candidate: E, victim: E): boolean {
    const frequency = this.#sketch.frequency(candidate.hash);
    if (frequency > this.#sketch.frequency(victim.hash)) return true;
    // guard: no-entry-is-pinned
    return frequency >= UPSET_FREQUENCY && this.#isUpset();
  }

  /** Xorshift: the same seed and the same calls give the same entries. */
  #isUpset(): boolean {
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return random % CANDIDATES_PER_UPSET === 0;
  }

  /** Moves the hand to the entry of the main queue that is evicted next. Undefined: the queue is empty. */
  #nextVictim(): E | undefined {
    let entry = this.#hand ?? this.#main.oldest;
    // guard: one-set-passes-few-entries
    for (let passed = 0; entry?.isUsed === true && passed < MAX_PASSED; passed += 1) {
      this.#sketch.increment(entry.hash);
      entry.isUsed = false;
      entry = entry.after ?? this.#main.oldest;
    }
    this.#hand = entry;
    return entry as E | undefined;
  }

  #evict(entry: E): void {
    this.#remove(entry);
    this.#onEvict?.(entry);
  }

  #remove(entry: E): void {
    this.#entries.delete(entry.key);
    entry.removed();
    this.#weight -= entry.weight;
    if (entry.isInWindow) this.#removeFromWindow(entry);
    else {
      // guard: hand-leaves-with-no-entry
      if (this.#hand === entry) this.#hand = entry.after;
      this.#main.delete(entry);
    }
  }

  #addToWindow(entry: E): void {
    entry.isInWindow = true;
    this.#window.add(entry);
    this.#windowSize += 1;
    this.#windowWeight += entry.weight;
  }

  #removeFromWindow(entry: E): void {
    this.#window.delete(entry);
    this.#windowSize -= 1;
    this.#windowWeight -= entry.weight;
  }

  #addToMain(entry: E): void {
    entry.isInWindow = false;
    this.#main.add(entry);
  }

  #exceedsLimits(): boolean {
    return this.#entries.size > this.#maxEntries || this.#weight > this.#maxWeight;
  }

  #windowExceedsShare(): boolean {
    return (
      this.#windowSize > 1 &&
      (this.#windowSize > this.#share * this.#maxEntries ||
        this.#windowWeight > this.#share * this.#maxWeight)
    );
  }

  /** Hill climbing: the share of the window changes in one direction until the hit ratio decreases. */
  #adapt(): void {
    const requests = this.#hits + this.#misses;
    if (requests < this.#entries.size * REQUESTS_PER_ENTRY) return;
    const hitRatio = this.#hits / requests;
    if (this.#hitRatio !== undefined) {
      const change = hitRatio - this.#hitRatio;
      if (change < 0) this.#step = -this.#step;
      this.#share = Math.min(MAX_SHARE, Math.max(0, this.#share + this.#step));
      const isShift = Math.abs(change) >= SHIFT;
      this.#step = isShift ? Math.sign(this.#step) * FIRST_STEP : this.#step * STEP_DECAY;
    }
    this.#hitRatio = hitRatio;
    this.#hits = 0;
    this.#misses = 0;
  }
}
