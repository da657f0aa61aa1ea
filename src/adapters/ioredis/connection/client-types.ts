/**
 * The parts of ioredis that this adapter uses, as structural types. Every copy of ioredis 5 or 6 is assignable to them,
 * and a change of ioredis that breaks them is a compile error of a test.
 */
import type { Buffer } from 'node:buffer';

/** The socket under a connection. */
export interface Stream {
  readonly bytesRead: number;
  readonly writableLength: number;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  cork(): void;
  uncork(): void;
  /** True after the event `close`. */
  readonly closed: boolean;
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/** The members of both `Redis` and `Cluster`. */
export interface CommandClient {
  readonly status: string;
  on(event: string, listener: (...args: never[]) => void): unknown;
  connect(): Promise<void>;
  disconnect(reconnect?: boolean): void;
  ping(): Promise<unknown>;
  info(): Promise<string>;
  pttl(key: string): Promise<number>;
  getBuffer(key: string): Promise<Buffer | null>;
  mgetBuffer(keys: string[]): Promise<(Buffer | null)[]>;
  evalBuffer(lua: string, numberOfKeys: number, ...keysAndValues: (string | Buffer)[]): Promise<unknown>;
  evalshaBuffer(sha: string, numberOfKeys: number, ...keysAndValues: (string | Buffer)[]): Promise<unknown>;
  spublish(channel: string, payload: Buffer): Promise<number>;
}

export interface RedisClient extends CommandClient {
  readonly isCluster: boolean;
  readonly options: object;
  readonly stream: Stream | undefined;
  duplicate(options: object): RedisClient;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  psubscribe(pattern: string): Promise<unknown>;
  punsubscribe(pattern: string): Promise<unknown>;
  ssubscribe(channel: string): Promise<unknown>;
  sunsubscribe(channel: string): Promise<unknown>;
  call(command: string, ...args: string[]): Promise<unknown>;
}

export interface ClusterClient extends CommandClient {
  readonly isCluster: boolean;
  readonly options: object;
  /** By slot: the `host:port` of its master, followed by those of its replicas. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: 'all' | 'master'): RedisClient[];
  /** Reads the slot table. If that is in progress already, it only calls the callback at its end. */
  refreshSlotsCache(callback: (error?: Error) => void): void;
  duplicate(startupNodes: never[], options: object): ClusterClient;
}

/** A `Redis` or a `Cluster` client, of any copy of ioredis 5 or 6. */
export interface ExistingClient {
  readonly isCluster: boolean;
  readonly options: object;
  duplicate(...args: never[]): object;
}

/** The options of ioredis that this adapter reads, or changes. */
export interface KnownOptions {
  readonly host?: string | null | undefined;
  readonly port?: number | null | undefined;
  readonly path?: string | null | undefined;
  readonly username?: string | null | undefined;
  readonly password?: string | null | undefined;
  readonly db?: number | null | undefined;
  readonly tls?: unknown;
  readonly sentinels?: readonly { readonly host?: string; readonly port?: number }[] | null | undefined;
  readonly name?: string | null | undefined;
  readonly sentinelUsername?: string | null | undefined;
  readonly sentinelPassword?: string | null | undefined;
  readonly sentinelTLS?: unknown;
  readonly keyPrefix?: unknown;
  /** Only of a Cluster: the options of its nodes. */
  readonly redisOptions?: KnownOptions | null | undefined;
}
