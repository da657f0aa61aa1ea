import type { Caching } from '../../../src/core/caching.js';
import type { AdapterHost } from '../../../src/core/ports/adapter.js';
import type { EntryStore } from '../../../src/core/ports/entry-store.js';
import type { Call } from './set-up.js';

/** One `Caching`, as of one process. */
export interface Process {
  readonly name: string;
  readonly caching: Caching;
  readonly host: AdapterHost;
  /** A number for all that has reached it so far, in its order. What it does next depends on nothing else. */
  history: number;
  requests: number;
  works: number;
  /** The tokens of the leases that it may wait for: a wakeup concerns it. */
  readonly waiting: Set<unknown>;
  isDead: boolean;
}

/** A call of an actor that has begun. */
export interface Running {
  readonly id: string;
  readonly call: Call;
  readonly on: Process;
  /** `written`: the row is written, and not invalidated yet. */
  stage: 'running' | 'written' | 'ended';
  /** The version that it has written; 0: none. */
  version: number;
  /** True if its mark has to stand when it writes the row. */
  isMarked: boolean;
  /** What was due when it began, or what has come of it. */
  text: string;
}

/** A request on its way to the store, or its reply on the way back. */
export interface Request {
  readonly id: string;
  readonly by: Process;
  readonly verb: keyof EntryStore;
  readonly args: readonly unknown[];
  /** `late`: its caller has given up. */
  status: 'sent' | 'arrived' | 'late';
  reply: unknown;
  resolve(reply: unknown): void;
  reject(error: Error): void;
}

/** A loader or a write of the application that runs. */
export interface Work {
  readonly id: string;
  readonly by: Process;
  readonly does: 'reads' | 'writes';
  readonly rows: readonly string[];
  /** Reads or writes the rows. */
  readonly act: () => unknown;
  done: { readonly value: unknown } | undefined;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A wakeup, or a message about changes. */
export interface Message {
  readonly id: string;
  readonly cause: Process;
  readonly to: Process;
  readonly deliver: () => void;
}

/** True for the reply to a request for a lease after which its load does not wait. */
export function endsWait({ verb, reply }: Request): boolean {
  const { status } = (reply ?? {}) as { status?: string };
  return verb === 'lease' && status !== undefined && status !== 'held' && status !== 'present';
}
