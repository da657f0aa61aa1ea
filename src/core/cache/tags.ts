import type { TagVersion } from '../ports/entry-format.js';
import { describe } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';
import { logicalKey } from '../keys/key.js';

/** Pairs tags with their nonces. Returns undefined if a nonce is missing. */
export function zipTagVersions(
  tags: readonly string[],
  nonces: readonly (string | null)[],
  from = 0,
): readonly TagVersion[] | undefined {
  const versions: TagVersion[] = [];
  for (let i = 0; i < tags.length; i++) {
    const nonce = nonces[from + i];
    if (nonce === null || nonce === undefined) return undefined;
    versions.push({ tag: tags[i]!, nonce });
  }
  return versions;
}

/** Every tag costs a read on each hit, so the number of tags is limited. */
const MAX_TAGS = 1_000;

/**
 * Checks and escapes tags, and removes duplicates.
 *
 * @param label names the call in errors
 * @throws OptionsError for anything but a list of at most 1,000; KeyError for an invalid tag
 */
export function normaliseTags(tags: readonly string[] | undefined, label: string): readonly string[] {
  if (tags === undefined) return [];
  if (!Array.isArray(tags) || tags.length > MAX_TAGS) {
    const received = Array.isArray(tags) ? `a list of ${tags.length}` : describe(tags);
    throw new OptionsError(
      `tags of ${label} is a list of at most ${MAX_TAGS} strings, and ${received} was given.`,
    );
  }
  return [...new Set(tags.map((tag) => logicalKey(tag, `the tags of ${label}`)))];
}

/** Two lists of checked tags as one, without duplicates. */
export function joinTags(tags: readonly string[], others: readonly string[]): readonly string[] {
  return others.length === 0 ? tags : [...new Set([...tags, ...others])];
}
