import { describe, quote } from '../shared/describe.js';
import { OptionsError } from '../shared/errors.js';

/** The kinds of keys and channels in the store: `<namespace>:<kind>:...`. */
const KINDS: readonly string[] = [
  ...['cache', 'tag', 'clear', 'tag-changes', 'lock', 'rate', 'message', 'shard'],
  ...['session', 'queue'],
];

const MAX_NAMESPACE_LENGTH = 64;

/** The key of an entry. It has no hash tag, so that entries are spread over a cluster. */
export function entryKey(namespace: string, key: string): string {
  return `${namespace}:cache:${key}`;
}

/** The key of a tag's nonce. All nonces of a namespace share a cluster slot, so that one script can read them. */
export function tagKey(namespace: string, tag: string): string {
  return `${namespace}:tag:{${namespace}}:${tag}`;
}

/** The key of the clear nonce, which every entry of the namespace has. */
export function clearKey(namespace: string): string {
  return `${namespace}:clear:{${namespace}}`;
}

/** The key of the record of tag changes (ports/tag-changes.ts). */
export function tagChangesKey(namespace: string): string {
  return `${namespace}:tag-changes:{${namespace}}`;
}

/** The key of a lock. With the braces, the keys derived from it (`:queue`, `:fence`, ...) share its cluster slot. */
export function lockKey(namespace: string, key: string): string {
  return `${namespace}:lock:{${key}}`;
}

/** The key of a rate limit's subject and its block. With the braces, the keys of its rules share its cluster slot. */
export function rateSubject(namespace: string, key: string): string {
  return `${namespace}:rate:{${key}}`;
}

/** The key of the usage of one rule for a subject. */
export function rateRuleKey(subject: string, rule: string): string {
  return `${subject}:${rule}`;
}

/** The prefix of the sessions of one name. A session's key is the prefix and its handle in braces. */
export function sessionPrefix(namespace: string, name: string): string {
  return `${namespace}:session:${name}:`;
}

/** The key of a session. With the braces, the key that blocks it shares its cluster slot. */
export function sessionKey(namespace: string, name: string, handle: string): string {
  return `${sessionPrefix(namespace, name)}{${handle}}`;
}

/** The key of what is known of all sessions of a user. It is in another cluster slot than they. */
export function sessionUserKey(namespace: string, name: string, user: string): string {
  return `${sessionPrefix(namespace, name)}user:{${user}}`;
}

/**
 * The prefix of the channels of messages. Redis does not add the prefix of the client to channels, so it is a part of the
 * name. Sharded channels have another one, so that no pattern matches them, on one server either.
 */
export function messagePrefix(namespace: string, keyPrefix: string, isSharded: boolean): string {
  return `${namespace}:${isSharded ? 'shard' : 'message'}:${keyPrefix}`;
}

/** The prefix of the keys of job queues. With the braces, all queues of a namespace share a cluster slot. */
export function queuePrefix(namespace: string): string {
  return `${namespace}:queue:{${namespace}:queue}`;
}

/** The kind of a key of the store: `cache`, `lock`, `rate`. */
export function kindOf(namespace: string, storeKey: string): string {
  const start = namespace.length + 1;
  return storeKey.slice(start, storeKey.indexOf(':', start));
}

/** What a store key of the cache names. */
export type CacheName =
  | { readonly kind: 'entry'; readonly key: string }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'clear' };

/** The store keys of the cache in one namespace. */
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

  /** What a store key names; undefined for other keys, also of other namespaces. */
  parse(storeKey: string): CacheName | undefined {
    if (storeKey === this.clear) return { kind: 'clear' };
    const entryStart = this.entry('');
    if (storeKey.startsWith(entryStart)) return { kind: 'entry', key: storeKey.slice(entryStart.length) };
    const tagStart = tagKey(this.#namespace, '');
    if (storeKey.startsWith(tagStart)) return { kind: 'tag', tag: storeKey.slice(tagStart.length) };
    return undefined;
  }

  /** The keys of the nonces of an entry: the clear nonce first, then one for each tag. */
  nonces(tags: readonly string[]): readonly string[] {
    return tags.length === 0 ? [this.clear] : [this.clear, ...this.tags(tags)];
  }
}

/**
 * Checks a namespace and returns it. A kind is allowed only as its first segment; otherwise the key `cache:x` in `shop` and
 * the key `x` in `shop:cache` would be the same key in Redis.
 *
 * @throws OptionsError for an invalid namespace
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
      `namespace has '${kind}' after a ':' (${quote(namespace)}), where it would name a kind of key. ` +
        `Use another word, or another separator: ${other}.`,
    );
  }
  return namespace;
}
