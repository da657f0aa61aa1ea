const BUCKETS = 8_192;

/**
 * When each key and tag was last changed, as sequence numbers. A value that was requested before a change must not be kept
 * after it: the reply and the message about the change come on different connections, in any order.
 *
 * Names share buckets, so that the memory is bounded. A change of another name in the bucket costs one entry that is not
 * kept, and nothing else.
 */
export class ChangeLog {
  /** The latest sequence number. */
  #sequence = 0;
  #allChangedAt = 0;
  readonly #changedAt = new Float64Array(BUCKETS);

  /** The number to pass to `isUnchanged` for a request that is sent now. */
  get now(): number {
    return this.#sequence;
  }

  /** Returns a new sequence number, larger than all before. */
  next(): number {
    return ++this.#sequence;
  }

  key(key: string): void {
    this.#changedAt[bucketOf(key, KEY_SEED)] = this.next();
  }

  tag(tag: string): void {
    this.#changedAt[bucketOf(tag, TAG_SEED)] = this.next();
  }

  all(): void {
    this.#allChangedAt = this.next();
  }

  /** True if neither the key, nor one of the tags, nor everything has changed since the sequence number. */
  isUnchanged(since: number, key: string, tags: readonly { readonly tag: string }[]): boolean {
    if (this.#allChangedAt > since || this.#changedAt[bucketOf(key, KEY_SEED)]! > since) return false;
    for (const { tag } of tags) if (this.#changedAt[bucketOf(tag, TAG_SEED)]! > since) return false;
    return true;
  }
}

const KEY_SEED = 0x811c9dc5;
const TAG_SEED = 0x01000193;

/** FNV-1a over UTF-16 units, folded. */
function bucketOf(name: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}
