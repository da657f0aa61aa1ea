interface Node<Value> {
  readonly key: string;
  readonly value: Value;
  next: Node<Value> | undefined;
}

const BUCKETS = 1_024;

/**
 * Values by key, for those that come and go with every call. It never grows or shrinks: a Map that does leaves its
 * former tables behind, and once one of them is old, all that was ever in it lives until the next full collection.
 */
export class FixedHashMap<Value> {
  readonly #buckets: (Node<Value> | undefined)[] = Array.from({ length: BUCKETS }, () => undefined);

  get(key: string): Value | undefined {
    for (let node = this.#buckets[bucketOf(key)]; node !== undefined; node = node.next) {
      if (node.key === key) return node.value;
    }
    return undefined;
  }

  /** The key has no value yet. */
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

/** FNV-1a. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}
