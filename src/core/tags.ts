/**
 * Tags. A tag is a key that holds a random nonce; an entry carries the nonces of its tags *as they were before
 * its load began*, and counts only while they all still stand. Invalidating a tag removes its nonce: one write,
 * whatever the number of entries; whoever loads next mints a new one.
 *
 * A tag that only the result tells (`tags: (user) => [...]`) has no nonce read before the load. For those the
 * namespace keeps its *epochs*: one string of a 16-byte identity and 256 buckets of 8 bytes, in which every tag
 * invalidation writes fresh random bytes at the bucket of its tag, in the same step that removes the nonce.
 * The epochs are read before the load, and again together with the nonces after it: if the buckets of the tags
 * are unchanged, the nonces read after the load are those that stood before it. If not, or if the epochs are
 * gone, the value is not stored.
 */
import type { Tagged } from './entry.js';
import { OptionsError } from './errors.js';
import { logicalKey } from './key.js';

export const EPOCHS_IDENTITY = 16;
export const EPOCH_BUCKETS = 256;
export const EPOCH_BYTES = 8;
export const EPOCHS_LENGTH = EPOCHS_IDENTITY + EPOCH_BUCKETS * EPOCH_BYTES;

/** FNV-1a over UTF-16 units, folded to a bucket: every process must agree on it, it is part of the wire. */
export function bucketOf(tag: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < tag.length; i++) hash = Math.imul(hash ^ tag.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 8) ^ (hash >>> 16) ^ (hash >>> 24)) & (EPOCH_BUCKETS - 1);
}

/** True if no tag of these was invalidated between the two readings. Absence, or another identity, means no. */
export function sameEpochs(before: Uint8Array, after: Uint8Array, tags: readonly string[]): boolean {
  if (before.length !== EPOCHS_LENGTH || after.length !== EPOCHS_LENGTH) return false;
  for (let i = 0; i < EPOCHS_IDENTITY; i++) if (before[i] !== after[i]) return false;
  for (const tag of tags) {
    const start = EPOCHS_IDENTITY + bucketOf(tag) * EPOCH_BYTES;
    for (let i = start; i < start + EPOCH_BYTES; i++) if (before[i] !== after[i]) return false;
  }
  return true;
}

/** Pairs tags with the nonces read for them; undefined if one is absent. */
export function pair(
  tags: readonly string[],
  nonces: readonly (string | null)[],
  from = 0,
): readonly Tagged[] | undefined {
  const tagged: Tagged[] = [];
  for (let i = 0; i < tags.length; i++) {
    const nonce = nonces[from + i];
    if (nonce === null || nonce === undefined) return undefined;
    tagged.push({ tag: tags[i]!, nonce });
  }
  return tagged;
}

/** Each is read on every hit: labels by the thousand belong in the key. */
const MAX_TAGS = 1_000;

/**
 * Tags as the store names them, each once.
 * @throws OptionsError, KeyError
 */
export function normaliseTags(tags: readonly string[] | undefined, where: string): readonly string[] {
  if (tags === undefined) return [];
  if (!Array.isArray(tags) || tags.length > MAX_TAGS) {
    throw new OptionsError(
      `The tags of ${where} are a list of at most ${MAX_TAGS} strings, and ` +
        `${Array.isArray(tags) ? `${tags.length} of them` : typeof tags} came.`,
    );
  }
  return [...new Set(tags.map((tag) => logicalKey(tag, `the tags of ${where}`)))];
}
