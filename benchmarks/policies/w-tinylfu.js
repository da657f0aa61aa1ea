import { Queue } from './queue.js';

/**
 * W-TinyLFU (Einziger, Friedman and Manes, 2017) as in Caffeine, without the adaption of the window: a window of 1 %, a
 * main part of which 80 % are protected, each least recently used first. A count-min sketch of 4-bit counters decides
 * whether a key that leaves the window replaces the next victim of the main part. Every hit counts, and moves its entry.
 */
export class WTinyLfu {
  #map = new Map();
  #window = new Queue();
  #probation = new Queue();
  #protected = new Queue();
  #sketch;
  #max;
  #windowMax;
  #protectedMax;

  constructor(max) {
    this.#max = max;
    this.#windowMax = Math.max(1, Math.floor(max / 100));
    this.#protectedMax = Math.floor((max - this.#windowMax) * 0.8);
    this.#sketch = new Sketch(max);
  }

  get(key) {
    const node = this.#map.get(key);
    if (node === undefined) return undefined;
    this.#sketch.increment(node.hash);
    if (node.queue !== this.#probation) node.queue.touch(node);
    else {
      this.#move(node, this.#protected);
      if (this.#protected.size > this.#protectedMax) this.#move(this.#protected.oldest, this.#probation);
    }
    return node.value;
  }

  set(key, value) {
    const node = { key, value, hash: hashOf(key), queue: this.#window, before: undefined, after: undefined };
    this.#sketch.increment(node.hash);
    this.#map.set(key, node);
    this.#window.add(node);
    if (this.#window.size <= this.#windowMax) return;
    const candidate = this.#window.oldest;
    const victim = this.#probation.oldest ?? this.#protected.oldest;
    this.#move(candidate, this.#probation);
    if (this.#map.size <= this.#max) return;
    const admits = this.#sketch.frequency(candidate.hash) > this.#sketch.frequency(victim.hash);
    const evicted = admits ? victim : candidate;
    evicted.queue.remove(evicted);
    this.#map.delete(evicted.key);
  }

  #move(node, queue) {
    node.queue.remove(node);
    node.queue = queue;
    queue.add(node);
  }
}

class Sketch {
  #counters;
  #mask;
  #additions = 0;
  #sample;

  constructor(max) {
    const width = 2 ** Math.max(3, Math.ceil(Math.log2(max)) + 2);
    this.#counters = new Uint8Array(4 * width);
    this.#mask = width - 1;
    this.#sample = 10 * max;
  }

  frequency(hash) {
    let least = 15;
    for (let row = 0; row < 4; row += 1) least = Math.min(least, this.#counters[this.#at(hash, row)]);
    return least;
  }

  increment(hash) {
    let added = false;
    for (let row = 0; row < 4; row += 1) {
      const at = this.#at(hash, row);
      if (this.#counters[at] < 15) {
        this.#counters[at] += 1;
        added = true;
      }
    }
    if (!added) return;
    this.#additions += 1;
    if (this.#additions < this.#sample) return;
    this.#additions >>>= 1;
    for (let i = 0; i < this.#counters.length; i += 1) this.#counters[i] >>>= 1;
  }

  #at(hash, row) {
    return row * (this.#mask + 1) + ((Math.imul(hash, SEEDS[row]) >>> 7) & this.#mask);
  }
}

const SEEDS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];

function hashOf(key) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
