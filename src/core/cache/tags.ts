import type { TagVersion } from '../ports/entry-format.js';
import { OptionsError } from '../shared/errors.js';
import { logicalKey } from '../keys/key.js';

/** Pairs tags with the nonces read for them; undefined if one is absent. */
export function zipTagVersions(
  tags: readonly string[],
  nonces: readonly (string | null)[],
  from = 0,
): readonly TagVersion[] | undefined {
  const tagged: TagVersion[] = [];
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
