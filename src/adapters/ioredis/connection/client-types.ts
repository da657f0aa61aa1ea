/**
 * Exactly what this adapter uses of ioredis, as structural types: any copy of it, of major 5 or 6, fits, and
 * nothing drifts unseen.
 */
import type { Buffer } from 'node:buffer';

/** The socket under a connection. */
export interface Stream {
  readonly bytesRead: number;
  readonly writableLength: number;
  cork(): void;
  uncork(): void;
  destroy(): unknown;
}

/** What a `Redis` and a `Cluster` have in common for us. */
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
}

export interface RedisClient extends CommandClient {
  readonly isCluster: boolean;
  readonly options: object;
  readonly stream: Stream | undefined;
  duplicate(options: object): RedisClient;
  subscribe(channel: string): Promise<unknown>;
}

export interface ClusterClient extends CommandClient {
  readonly isCluster: boolean;
  readonly options: object;
  /** By slot: the `host:port` of its master, then of its replicas. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: 'all' | 'master'): RedisClient[];
  /** While it is being read already, the callback is called when that is done. */
  refreshSlotsCache(callback: () => void): void;
  duplicate(startupNodes: never[], options: object): ClusterClient;
}

/** A `Redis` or a `Cluster` of ioredis 5 or 6, from whichever copy of it. */
export interface ExistingClient {
  readonly isCluster: boolean;
  readonly options: object;
  duplicate(...args: never[]): object;
}

/** The options that we read, or pass on with a change. */
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
  readonly keyPrefix?: unknown;
  /** Of a Cluster: for each of its nodes. */
  readonly redisOptions?: KnownOptions | null | undefined;
}
