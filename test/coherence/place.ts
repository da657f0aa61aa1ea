import type { ChaosMoment, ChaosVerb } from '../support/chaos-adapter.js';

/** What a cached value is in these tests: the version of the one row there is. */
export type Version = number;

/** Lives in the test's process, wherever the cached call is made. */
export type Load = () => Promise<Version>;

export interface ReadOptions {
  /** Known before the load. */
  readonly tags?: readonly string[];
  /** Told by the value alone. */
  readonly lateTags?: readonly string[];
  /** The load first makes this cached call, and its tags are inherited. */
  readonly inner?: { readonly key: string; readonly tags: readonly string[] };
}

export interface Target {
  readonly keys?: readonly string[];
  readonly tags?: readonly string[];
  readonly all?: boolean;
}

export interface HeldCall {
  /** Resolves when the call has come to where it is held. */
  readonly reached: Promise<unknown>;
  release(): Promise<void>;
}

/** One `Caching`, in this process or in another. */
export interface Node {
  /** `inner` makes the inner call's value, where there is one. */
  read(key: string, load: Load, options?: ReadOptions, inner?: Load): Promise<Version>;
  /** What is stored; nothing is loaded. */
  peek(key: string): Promise<Version | undefined>;
  /** True: acknowledged. */
  invalidate(target: Target): Promise<boolean>;
  /** The node's next call of `verb` stops before the store has seen it, or on the way back. */
  hold(verb: ChaosVerb, moment: ChaosMoment): Promise<HeldCall>;
  /** Sends all its calls of `verb` so far to the store once more, the latest first. */
  repeat(verb: ChaosVerb): Promise<void>;
  /** While it is down the store refuses every call of this node. */
  setDown(down: boolean): Promise<void>;
  /** Are there invalidations that the store has not acknowledged? */
  pending(): Promise<boolean>;
  /** Tells the node that the lease at `key` has ended. */
  wake(key: string): Promise<void>;
}

/** Where an interleaving is played. */
export interface Place {
  readonly reader: Node;
  /** The same node as the reader where there is only one. */
  readonly writer: Node;
  /** In ms, of every call of this place. */
  readonly lease: number;
  readonly ttl: number;
  /** What the promise settles with, if it does within this time. */
  within<Value>(ms: number, promise: Promise<Value>): Promise<Value>;
  /** Resolves once the condition holds, which needs at most this time. */
  until(what: string, ms: number, condition: () => Promise<boolean>): Promise<void>;
  /** Everything that needs no time has been done. */
  settle(): Promise<void>;
  /** The store loses what stands at these keys and tags, or all that it holds. */
  evict(what: Target): Promise<void>;
  /**
   * The reader's process stops, as by SIGSTOP, for `ms` at least and until its lease at `key` has ended. Where the
   * writer is the reader, nothing can stop: time passes until a lease is extended no more.
   * @returns lets the reader go on
   */
  outlive(key: string, ms: number): Promise<() => Promise<void>>;
  /** The reader's process is gone, as by SIGKILL. Undefined where the writer is the reader. */
  readonly crash: (() => Promise<void>) | undefined;
  close(): Promise<void>;
}
