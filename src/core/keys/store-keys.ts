import { describe, quote } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';

/** Kinds of keys in the store: `<namespace>:<kind>:...`. Those that are not in use yet are reserved. */
const KINDS: readonly string[] = ['cache', 'tag', 'clear', 'tag-changes', 'lock', 'rate', 'session', 'queue'];

const MAX_NAMESPACE_LENGTH = 64;

/** The record of a logical key. It has no hash tag: entries spread over a cluster. */
export function entryKey(namespace: string, key: string): string {
  return `${namespace}:cache:${key}`;
}

/** The nonce of a tag. All nonces of a namespace share one cluster slot, so that one script can read them. */
export function tagKey(namespace: string, tag: string): string {
  return `${namespace}:tag:{${namespace}}:${tag}`;
}

/** The nonce that every entry of the namespace carries. */
export function clearKey(namespace: string): string {
  return `${namespace}:clear:{${namespace}}`;
}

/** Which tags of the namespace have changed (`tag-changes.ts`). */
export function tagChangesKey(namespace: string): string {
  return `${namespace}:tag-changes:{${namespace}}`;
}

/**
 * The namespace, if it can be one. A kind may only be its first segment: the key `cache:x` in `shop` and the
 * key `x` in `shop:cache` would otherwise be one name in Redis.
 *
 * @throws OptionsError
 */
export function checkNamespace(namespace: string): string {
  const expected =
    `namespace is a string of 1 to ${MAX_NAMESPACE_LENGTH} characters out of A-Z a-z 0-9 _ . : / - ` +
    `(such as 'shop' or 'shop:eu')`;
  if (typeof namespace !== 'string' || !/^[A-Za-z0-9_.:/-]+$/.test(namespace)) {
    throw new OptionsError(`${expected}, and ${describe(namespace)} was given.`);
  }
  if (namespace.length > MAX_NAMESPACE_LENGTH) {
    throw new OptionsError(
      `${expected}, and ${namespace.length} characters were given: ${quote(namespace)}.`,
    );
  }
  const kind = namespace.split(':').find((segment, i) => i > 0 && KINDS.includes(segment));
  if (kind !== undefined) {
    const other = quote(namespace.replaceAll(`:${kind}`, `-${kind}`));
    throw new OptionsError(
      `namespace has the word '${kind}' after a ':' (${quote(namespace)}), and there it names a kind of ` +
        `key. Use another word, or another separator: ${other}.`,
    );
  }
  return namespace;
}

/** A lock. The braces give it and what belongs to it (`:queue`, `:fence`, ...) one cluster slot. */
export function lockKey(namespace: string, key: string): string {
  return `${namespace}:lock:{${key}}`;
}

/** The subject of a rate limit, and where its block is stored. The braces give its rules the same cluster slot. */
export function rateSubject(namespace: string, key: string): string {
  return `${namespace}:rate:{${key}}`;
}

/** The units that one rule has counted for a subject. */
export function rateRuleKey(subject: string, rule: string): string {
  return `${subject}:${rule}`;
}

/** The kind of a key of the store: `cache`, `lock`, `rate`. */
export function kindOf(namespace: string, storeKey: string): string {
  const start = namespace.length + 1;
  return storeKey.slice(start, storeKey.indexOf(':', start));
}

/** The keys of the cache of one namespace in the store. */
export class StoreKeys {
  readonly #namespace: string;
  readonly clear: string;
  readonly tagChanges: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
    this.clear = clearKey(namespace);
    this.tagChanges = tagChangesKey(namespace);
  }

  entry(key: string): string {
    return entryKey(this.#namespace, key);
  }

  tags(tags: readonly string[]): string[] {
    return tags.map((tag) => tagKey(this.#namespace, tag));
  }

  /** What decides over an entry: the clear nonce first, then those of its tags. */
  nonces(tags: readonly string[]): readonly string[] {
    return tags.length === 0 ? [this.clear] : [this.clear, ...this.tags(tags)];
  }
}
