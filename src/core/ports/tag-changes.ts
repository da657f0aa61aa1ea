/**
 * Tags. A tag is a key that holds a random nonce. An entry carries the nonces of its tags *as they were before its load
 * began*, and is valid only while all of them are unchanged. Invalidating a tag removes its nonce: one write, however many
 * entries have the tag. The next load creates a new nonce.
 *
 * A tag that only the result gives (`tags: (user) => [...]`) has no nonce that was read before the load. For those, each
 * namespace keeps a record of *tag changes*: one string of a 16-byte identity and 256 buckets of 8 bytes. Every
 * invalidation of a tag writes random bytes into the bucket of the tag, in the same step that removes the nonce. The
 * record is read before the load, and again, together with the nonces, after it. If the buckets of the tags are
 * unchanged, the nonces that were read after the load are those from before it. Otherwise, or if the record is gone, the
 * value is not stored.
 */
export const TAG_CHANGES_IDENTITY = 16;
export const TAG_CHANGE_BUCKETS = 256;
export const TAG_CHANGE_BYTES = 8;
export const TAG_CHANGES_LENGTH = TAG_CHANGES_IDENTITY + TAG_CHANGE_BUCKETS * TAG_CHANGE_BYTES;

/** FNV-1a over UTF-16 units, folded to a bucket: every process must agree on it, it is part of the wire. */
export function tagBucket(tag: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < tag.length; i++) hash = Math.imul(hash ^ tag.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & (TAG_CHANGE_BUCKETS - 1);
}

/** True if no tag of these was invalidated between the two readings. Absence, or another identity, means no. */
export function unchangedBuckets(before: Uint8Array, after: Uint8Array, tags: readonly string[]): boolean {
  if (before.length !== TAG_CHANGES_LENGTH || after.length !== TAG_CHANGES_LENGTH) return false;
  // guard: tag-changes-have-one-identity
  for (let i = 0; i < TAG_CHANGES_IDENTITY; i++) if (before[i] !== after[i]) return false;
  for (const tag of tags) {
    const start = TAG_CHANGES_IDENTITY + tagBucket(tag) * TAG_CHANGE_BYTES;
    for (let i = start; i < start + TAG_CHANGE_BYTES; i++) if (before[i] !== after[i]) return false;
  }
  return true;
}

/** The answer where tag changes were not asked for. */
export const NO_TAG_CHANGES = new Uint8Array(0);
