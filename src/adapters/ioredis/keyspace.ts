/** The one place where keys get the prefix that a passed client had. Channels have none. */
export class Keyspace {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The key in Redis. */
  name(key: string): string {
    return this.#prefix === '' ? key : this.#prefix + key;
  }

  /** The key without prefix; undefined if it has another one, or is none of ours. */
  keyOf(name: string): string | undefined {
    return name !== '' && name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : undefined;
  }
}
