import { Queue } from './queue.js';

/**
 * S3-FIFO (Yang et al., SOSP 2023): new keys enter a small queue (10 %). Keys that were hit there move to the main queue,
 * the others leave, and a ghost queue remembers their names: keys that come back enter the main queue at once.
 */
export class S3Fifo {
  #map = new Map();
  #small = new Queue();
  #main = new Queue();
  #ghosts;
  #max;
  #smallMax;

  constructor(max) {
    this.#max = max;
    this.#smallMax = Math.max(1, Math.floor(max / 10));
    this.#ghosts = new Ghosts(max - this.#smallMax);
  }

  get(key) {
    const node = this.#map.get(key);
    if (node === undefined) return undefined;
    if (node.uses < 3) node.uses += 1;
    return node.value;
  }

  set(key, value) {
    while (this.#map.size >= this.#max) {
      if (this.#small.size >= this.#smallMax || this.#main.size === 0) this.#evictFromSmall();
      else this.#evictFromMain();
    }
    const node = { key, value, uses: 0, before: undefined, after: undefined };
    this.#map.set(key, node);
    (this.#ghosts.delete(key) ? this.#main : this.#small).add(node);
  }

  #evictFromSmall() {
    while (this.#small.size > 0) {
      const node = this.#small.shift();
      if (node.uses > 1) {
        node.uses = 0;
        this.#main.add(node);
      } else {
        this.#map.delete(node.key);
        this.#ghosts.add(node.key);
        return;
      }
    }
  }

  #evictFromMain() {
    for (;;) {
      const node = this.#main.shift();
      if (node.uses === 0) {
        this.#map.delete(node.key);
        return;
      }
      node.uses -= 1;
      this.#main.add(node);
    }
  }
}

/** The names of the last `max` keys that were added. A ring: the first key of a Set takes long to find after many deletes. */
class Ghosts {
  #places = new Map();
  #ring;
  #next = 0;

  constructor(max) {
    this.#ring = Array.from({ length: max });
  }

  add(key) {
    if (this.#ring.length === 0) return;
    const oldest = this.#ring[this.#next];
    if (this.#places.get(oldest) === this.#next) this.#places.delete(oldest);
    this.#ring[this.#next] = key;
    this.#places.set(key, this.#next);
    this.#next = (this.#next + 1) % this.#ring.length;
  }

  delete(key) {
    return this.#places.delete(key);
  }
}
