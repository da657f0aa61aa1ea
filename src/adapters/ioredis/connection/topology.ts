import type { CircuitBreaker } from '../commands/circuit-breaker.js';
import type { CommandClient, RedisClient } from './client-types.js';

export interface Master {
  readonly client: RedisClient;
  readonly breaker: CircuitBreaker;
}

/** The servers that commands are sent to: one server, or the nodes of a Cluster. */
export interface Topology {
  readonly client: CommandClient;
  /** The address, for messages, without password. */
  readonly where: string;
  /** The prefix of all keys, from the user's client. Channels do not have it. */
  readonly keyPrefix: string;
  /** Returns the slot of a key; undefined if one command may have keys of any slots. */
  readonly slotOf: ((key: string) => number) | undefined;
  /** Returns the breaker of the server that a command for this key is sent to. */
  breakerFor(key: string, slot?: number): CircuitBreaker;
  /** The connection to the master of a slot; undefined if it is not ready. */
  masterOf(slot: number): RedisClient | undefined;
  /** The clients of the masters of these keys; undefined if one of them is not known. */
  mastersOf(keys: readonly string[]): readonly RedisClient[] | undefined;
  /**
   * Every master, with its own connection, for commands without a key. Waits for the connection.
   * @throws StoreUnavailableError, also if one of them is away
   */
  masters(): Promise<readonly Master[]>;
  /** Called before a command is sent, so that the commands of one tick leave in few packets. */
  corkWrites(): void;
  /** True if commands can be sent to the server, or to at least one node. */
  readonly isUsable: boolean;
  /** Starts to connect. Failed attempts are repeated. */
  open(): void;
  /** Ends the connections, and rejects pending commands. */
  close(): Promise<void>;
}
