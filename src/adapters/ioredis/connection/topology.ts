import type { CircuitBreaker } from '../commands/circuit-breaker.js';
import type { CommandClient } from './client-types.js';

/** Where commands go: one server, or the nodes of a Cluster. */
export interface Topology {
  readonly client: CommandClient;
  /** For messages. */
  readonly where: string;
  /** Of the client that was passed: in front of every key, and of no channel. */
  readonly keyPrefix: string;
  /** The slot of a key; undefined where one command may carry any keys. */
  readonly slotOf: ((key: string) => number) | undefined;
  /** Which server a command on this key goes to, as its breaker. */
  breakerFor(key: string, slot?: number): CircuitBreaker;
  /** Before a command is sent: those of one tick leave in few packets. */
  corkWrites(): void;
  /** Commands can be sent: to the one server, or to some node at least. */
  readonly isUsable: boolean;
  /** Begins to connect. */
  open(): void;
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}
