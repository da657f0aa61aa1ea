import type { Breaker } from './breaker.js';
import type { CommandClient } from './client.js';

/** Where commands go: one server, or the nodes of a Cluster. */
export interface Servers {
  readonly client: CommandClient;
  /** For messages. */
  readonly where: string;
  /** The slot of a key; undefined where one command may carry any keys. */
  readonly slotOf: ((key: string) => number) | undefined;
  /** Which server a command on this key goes to, as its breaker. */
  breakerOf(key: string, slot?: number): Breaker;
  /** Before a command is sent: those of one tick leave in few packets. */
  gather(): void;
  /** Commands can be sent: to the one server, or to some node at least. */
  readonly usable: boolean;
  /** Begins to connect. */
  open(): void;
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>;
}
