/** A running Redis server that nothing but its starter uses. It ends when the process that started it ends. */
export interface RedisServer {
  readonly kind: 'local' | 'docker';
  /** `redis://` with the password in it, if there is one. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
  /** The process id of a local server; undefined in Docker, and while the server is down. */
  readonly pid: number | undefined;
  /** Ends the server and removes what it stored. Does nothing after the first call. */
  stop(): Promise<void>;
  /** SIGKILL: the server closes nothing in order. Resolves when it has ended; `restart` starts it again. */
  kill(): Promise<void>;
  /** SIGSTOP, or a pause of the container: connections stay open and nothing answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /**
   * Kills the server if it is up and starts it again on the same port, with the same arguments and folder.
   */
  restart(): Promise<void>;
}

export interface StartRedisOptions {
  /** Arguments of `redis-server`, after our own, so that they win: `['--maxmemory', '5mb']`. */
  readonly args?: readonly string[];
  readonly password?: string;
  /** A process of this machine, for tests that need real signals, where there is a `redis-server` to run. */
  readonly local?: boolean;
}
