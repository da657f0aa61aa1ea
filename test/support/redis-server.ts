/**
 * A running Redis server that belongs to the test: nobody else uses it, and it is gone when the test process
 * is.
 */
export interface RedisServer {
  readonly kind: 'local' | 'docker';
  /** `redis://` with the password in it, if there is one. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
  /** The process id of a local server; undefined in Docker, and while the server is down. */
  readonly pid: number | undefined;
  /** Ends the server and removes what it kept. Does nothing when it is gone already. */
  stop(): Promise<void>;
  /** SIGKILL: the server has no time to say goodbye. Resolves when it is gone; `restart` brings it back. */
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

/** Arguments that every server of the tests gets first. */
export function commonArgs({ args = [], password }: StartRedisOptions): string[] {
  const authentication = password === undefined ? [] : ['--requirepass', password];
  return ['--save', '', '--appendonly', 'no', ...authentication, ...args];
}

export function redisUrl(host: string, port: number, password: string | undefined): string {
  const authentication = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  return `redis://${authentication}${host}:${port}`;
}
