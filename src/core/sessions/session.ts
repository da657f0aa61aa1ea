/** The public part of a session: what `list` returns. */
export interface SessionSummary<Data> {
  /** Names the session in public, such as in a list of devices. Does not change, and gives no access. */
  readonly handle: string;
  readonly data: Data;
  /** The time since it was created, or since its last login, in ms. */
  readonly ageMs: number;
  /** The time until it ends if it is not used any more, in ms. */
  readonly expiresInMs: number;
}

/** A session as it was when it was read. */
export class Session<Data> implements SessionSummary<Data> {
  /** Not a property: whoever logs or serializes a session must not write its id. */
  readonly #id: string;
  readonly handle: string;
  readonly data: Data;
  /** The user that it was bound to by `create` or `rotate`. */
  readonly user: string | undefined;
  readonly ageMs: number;
  readonly expiresInMs: number;

  /** @internal made by `Sessions` */
  constructor(id: string, { handle, data, ageMs, expiresInMs }: SessionSummary<Data>, user: string) {
    this.#id = id;
    this.handle = handle;
    this.data = data;
    this.user = user === '' ? undefined : user;
    this.ageMs = ageMs;
    this.expiresInMs = expiresInMs;
  }

  /** The id, for the cookie. Secret: whoever has it has the session. Not in the output of `console.log` and `JSON.stringify`. */
  get id(): string {
    return this.#id;
  }
}
