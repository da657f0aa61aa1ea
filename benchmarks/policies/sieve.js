/**
 * SIEVE (Zhang et al., NSDI 2024): one queue in insertion order. A hit marks its entry. A hand moves from the oldest
 * entry to the newest, clears marks, and evicts the first entry without one.
 */
export class Sieve {
  #map = new Map();
  #max;
  #newest;
  #oldest;
  #hand;

  constructor(max) {
    this.#max = max;
  }

  get(key) {
    const node = this.#map.get(key);
    if (node === undefined) return undefined;
    node.visited = true;
    return node.value;
  }

  set(key, value) {
    if (this.#map.size >= this.#max) this.#evict();
    const node = { key, value, visited: false, newer: undefined, older: this.#newest };
    if (this.#newest === undefined) this.#oldest = node;
    else this.#newest.newer = node;
    this.#newest = node;
    this.#map.set(key, node);
  }

  #evict() {
    let node = this.#hand ?? this.#oldest;
    while (node.visited) {
      node.visited = false;
      node = node.newer ?? this.#oldest;
    }
    this.#hand = node.newer;
    if (node.newer === undefined) this.#newest = node.older;
    else node.newer.older = node.older;
    if (node.older === undefined) this.#oldest = node.newer;
    else node.older.newer = node.newer;
    this.#map.delete(node.key);
  }
}
