/** What this adapter uses of redlock: its own types cannot be resolved under `nodenext`. */
declare module 'redlock' {
  /** A client, as far as redlock asks of it. */
  interface Voter {
    evalsha(sha: string, count: number, args: readonly unknown[]): Promise<number>;
    eval(lua: string, count: number, args: readonly unknown[]): Promise<number>;
  }

  interface Lock {
    /** By `Date.now()`. */
    expiration: number;
    release(): Promise<unknown>;
    extend(duration: number): Promise<unknown>;
  }

  /** Too few were for it. */
  class ExecutionError extends Error {
    /** Each resolves when every client has voted. */
    readonly attempts: readonly Promise<{ readonly votesAgainst: ReadonlyMap<Voter, Error> }>[];
  }

  export default class Redlock {
    constructor(
      clients: Iterable<Voter>,
      settings: { readonly retryCount: number },
      scripts: {
        // Functions: strings are ignored, whatever its documentation says.
        readonly acquireScript: () => string;
        readonly extendScript: () => string;
        readonly releaseScript: () => string;
      },
    );
    /** The owner of a lock. Private, and there in the version that is pinned. */
    _random(): string;
    /** What the resources are is no affair of redlock: they are passed on to every client, before the owner. */
    acquire(resources: readonly unknown[], duration: number): Promise<Lock>;
  }
}
