/** What an own client is for: requests that must not hang (`jobs`), or work that outlasts an outage (`workers`). */
export type ClientRole = 'jobs' | 'workers';

/** A client of the store's own client library, for another library that needs one. */
export interface OwnClient {
  /** Of the client library: a `Redis` or a `Cluster` of ioredis. */
  readonly client: object;
  /** True while the client is connected. */
  readonly isReady: boolean;
  /**
   * Waits until the client is connected, and runs `work`, which sends requests on it.
   *
   * @param what names the work in errors: `Adding a job`
   * @param timeout for both together, in ms
   * @throws StoreUnavailableError if the client is not connected in time, or the store does not answer in time, or refuses
   * @throws what else `work` throws
   */
  run<T>(what: string, timeout: number, work: () => Promise<T>): Promise<T>;
  /** Ends the connection at once, without waiting for replies. */
  end(): Promise<void>;
}

/** Opens own clients with the address, password and options of an adapter. The caller that opens a client ends it. */
export interface ClientSource {
  /** The address, for messages, without password. */
  readonly where: string;
  /** The prefix that the user's client gives all keys. An own client does not add it. */
  readonly keyPrefix: string;
  open(role: ClientRole): OwnClient;
}
