import type { ChaosMoment } from '../../src/testing/chaos-adapter.js';
import type { ChaosVerb } from '../../src/testing/chaos-calls.js';

/** A cached value in these tests: the version of the only row. */
export type Version = number;

/** Runs in the process of the test, wherever the cached call is made. */
export type Load = () => Promise<Version>;

export interface ReadOptions {
  /** Tags that are known before the load. */
  readonly tags?: readonly string[];
  /** Result tags: computed from the loaded value. */
  readonly lateTags?: readonly string[];
  /** The load first makes this cached call and inherits its tags. */
  readonly inner?: { readonly key: string; readonly tags: readonly string[] };
}

export interface Target {
  readonly keys?: readonly string[];
  readonly tags?: readonly string[];
  readonly all?: boolean;
}

export interface HeldCall {
  /** Resolves when the call has reached the point at which it is held. */
  readonly reached: Promise<unknown>;
  release(): Promise<void>;
}

/** One `Caching`, in this process or in another. */
export interface Node {
  /** `inner` loads the value of the inner call, if there is one. */
  read(key: string, load: Load, options?: ReadOptions, inner?: Load): Promise<Version>;
  /** Returns the stored value without a load. */
  peek(key: string): Promise<Version | undefined>;
  /** Resolves with true if the invalidation is acknowledged. */
  invalidate(target: Target): Promise<boolean>;
  /** Holds the next call of `verb` of this node before it reaches the store, or its reply. */
  hold(verb: ChaosVerb, moment: ChaosMoment): Promise<HeldCall>;
  /** Sends all past calls of `verb` of this node to the store again, the latest first. */
  repeat(verb: ChaosVerb): Promise<void>;
  /** While it is down, the store rejects every call of this node. */
  setDown(down: boolean): Promise<void>;
  /** Resolves with true while the node has pending invalidations. */
  pending(): Promise<boolean>;
  /** Notifies the node that the lease at `key` has ended. */
  wake(key: string): Promise<void>;
}

/** The environment in which an interleaving runs. */
export interface Place {
  readonly reader: Node;
  /** The same node as `reader` if there is only one. */
  readonly writer: Node;
  /** The `lease` option of every call, in ms. */
  readonly lease: number;
  readonly ttl: number;
  /** Settles as the promise does, or rejects after this time. */
  within<Value>(ms: number, promise: Promise<Value>): Promise<Value>;
  /** Resolves when the condition holds, or rejects after this time. */
  until(what: string, ms: number, condition: () => Promise<boolean>): Promise<void>;
  /** Resolves when everything that does not depend on time has settled. */
  settle(): Promise<void>;
  /** Removes the entries of these keys and the nonces of these tags from the store, or everything. */
  evict(what: Target): Promise<void>;
  /**
   * Stops the process of the reader, as SIGSTOP does, for at least `ms` and until its lease at `key` has ended. If the
   * writer is the reader, the process is not stopped: time passes until the lease is no longer extended.
   * @returns resumes the reader
   */
  outlive(key: string, ms: number): Promise<() => Promise<void>>;
  /** Kills the process of the reader, as SIGKILL does. Undefined if the writer is the reader. */
  readonly crash: (() => Promise<void>) | undefined;
  close(): Promise<void>;
}
