import { clearKey, entryKey, epochsKey, tagKey } from './key.js';

/** The names of one namespace in the store. */
export class RedisNames {
  readonly #namespace: string;
  readonly clear: string;
  readonly epochs: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
    this.clear = clearKey(namespace);
    this.epochs = epochsKey(namespace);
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
