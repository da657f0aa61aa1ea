interface Node<Value> {
  readonly key: string;
  readonly value: Value;
  next: Node<Value> | undefined;
}

const BUCKETS = 1_024;

/**
 * A hash map with a fixed number of buckets, for values that are added and deleted by every call. A Map that grows and
 * shrinks leaves old tables behind. Once V8 has promoted such a table to the old generation, everything it refers to lives
 * until the next full garbage collection (benchmarks/containers.js).
 */
export class FixedHashMap<Value> {
  readonly #buckets: (Node<Value> | undefined)[] = Array.from({ length: BUCKETS }, () => undefined);

  get(key: string): Value | undefined {
    for (let node = this.#buckets[bucketOf(key)]; node !== undefined; node = node.next) {
      if (node.key === key) return node.value;
    }
    return undefined;
  }

  /** Adds a value. The key must not have one. */
  add(key: string, value: Value): void {
    const bucket = bucketOf(key);
    this.#buckets[bucket] = { key, value, next: this.#buckets[bucket] };
  }

  delete(key: string): void {
    const bucket = bucketOf(key);
    let before: Node<Value> | undefined;
    for (let node = this.#buckets[bucket]; node !== undefined; before = node, node = node.next) {
      if (node.key !== key) continue;
      if (before === undefined) this.#buckets[bucket] = node.next;
      else before.next = node.next;
      return;
    }
  }
}

/** The FNV-1a hash of a key, folded to a bucket. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}
