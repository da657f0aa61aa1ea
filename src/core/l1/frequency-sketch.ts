/** A counter has 4 bits. */
const MAX_COUNT = 15;
const COUNTERS_OF_WORD = 8;
/** 16 counters for each entry, as in Caffeine: with fewer, keys that are asked for once look popular. */
const WORDS_PER_ENTRY = 2;
const MIN_ENTRIES = 64;
/** One word is aged every so many increments: each counter after ten increments for each entry, as in Caffeine. */
const INCREMENTS_PER_AGED_WORD = 5;
/** Odd, and without relation to each other: four independent places of one hash. */
const ROWS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const;

/**
 * Estimates how often a key was asked for lately, in 8 to 16 bytes for each entry of a cache: a count-min sketch of 4-bit
 * counters. An estimate is too high if all four counters of a key are shared with other keys, and too low only by aging.
 *
 * Counters are halved a few at a time, as others are incremented. Halving all of them at once would block the process for
 * milliseconds where a cache has a million entries.
 */
export class FrequencySketch {
  readonly #seed: number;
  #words = new Uint32Array(MIN_ENTRIES * WORDS_PER_ENTRY);
  #increments = 0;
  #nextToAge = 0;

  /** @param seed of the hashes. Which keys share their counters depends on it, and users must not be able to learn it */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** The hash of a key, 32 bits. The other methods take it, so that an entry can keep it. */
  hashOf(key: string): number {
    let hash = this.#seed ^ key.length;
    for (let i = 0; i < key.length; i += 1) {
      hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
      // What the seed is then decides which keys collide. Multiplications alone never move a difference down.
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  /** @returns 0 to 15 */
  frequency(hash: number): number {
    let least = MAX_COUNT;
    for (let row = 0; row < ROWS.length; row += 1) {
      const place = this.#place(hash, row);
      const count = (this.#words[place >>> 3]! >>> shiftOf(place)) & MAX_COUNT;
      if (count < least) least = count;
    }
    return least;
  }

  increment(hash: number): void {
    for (let row = 0; row < ROWS.length; row += 1) {
      const place = this.#place(hash, row);
      const word = this.#words[place >>> 3]!;
      const shift = shiftOf(place);
      // guard: full-counter-stays-full
      if (((word >>> shift) & MAX_COUNT) < MAX_COUNT) this.#words[place >>> 3] = word + (1 << shift);
    }
    this.#increments += 1;
    if (this.#increments === INCREMENTS_PER_AGED_WORD) this.#age();
  }

  /** Makes room for the counters of so many entries. What was counted stays. */
  ensureCapacity(entries: number): void {
    while (this.#words.length < entries * WORDS_PER_ENTRY) {
      const words = this.#words;
      this.#words = new Uint32Array(words.length * 2);
      // A place has one more bit from now on: each counter is where its keys with either bit look for it.
      this.#words.set(words);
      // guard: growing-keeps-counts
      this.#words.set(words, words.length);
    }
  }

  #age(): void {
    this.#increments = 0;
    // Every bit moves down by one; the lowest of a counter must not become the highest of the next one.
    // guard: halving-keeps-counters-apart
    this.#words[this.#nextToAge] = (this.#words[this.#nextToAge]! >>> 1) & 0x77777777;
    this.#nextToAge = (this.#nextToAge + 1) & (this.#words.length - 1);
  }

  /** The index of a counter. The length is a power of two. */
  #place(hash: number, row: number): number {
    const product = Math.imul(hash, ROWS[row]!);
    // The low bits of a product depend on the low bits of the hash alone.
    return (product ^ (product >>> 15)) & (this.#words.length * COUNTERS_OF_WORD - 1);
  }
}

function shiftOf(place: number): number {
  return (place & (COUNTERS_OF_WORD - 1)) << 2;
}
