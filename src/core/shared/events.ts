import { channel, type Channel } from 'node:diagnostics_channel';
import type { Decision } from '../ports/decision.js';
import type { LockLostError } from './errors.js';

/** The fields of every event: the `Caching` and the decorated method. */
export interface EventOrigin {
  /** The namespace of the `Caching`. */
  readonly namespace: string;
  /** `Class.method`, a good metric label. Undefined for the plain verbs and for events without a call. */
  readonly method: string | undefined;
}

/** The fields of an event about one key. */
export interface KeyEvent extends EventOrigin {
  /** The logical key. Do not use it as a metric label: there may be any number of keys. */
  readonly key: string;
}

/** The fields of an event about a lock. */
export interface LockEvent extends EventOrigin {
  /** The logical keys. */
  readonly keys: readonly string[];
}

/**
 * The events by name. Each is published on the `node:diagnostics_channel` channel `cachement:<name>`. Without subscribers
 * an event costs one property read.
 */
export interface CachementEvents {
  /**
   * A stored value was returned: from the memory of this process (`l1`), or from the store (`l2`). `stale`: only if its ttl
   * has passed, why it was returned: its load has failed (`error`), takes too long (`timeout`), or has failed lately
   * (`back-off`).
   */
  readonly hit: KeyEvent & {
    readonly tier: 'l1' | 'l2';
    readonly stale?: 'error' | 'timeout' | 'back-off' | undefined;
  };
  /**
   * No valid value was stored. `absent`: no entry. `invalidated`: an entry whose tags or namespace were invalidated.
   * `undecodable`: bytes that are not a valid entry. `unverified`: with `seal`, what none of its keys verifies, because it is
   * not sealed, sealed by another key or for another entry, or altered. `rejected`: a value that the schema of the call rejects, or
   * that its `revive` does not accept. `outdated`: an entry older than a value that this process has returned.
   * `expired`: an entry that is kept for its grace period, which the call has not, or that has ended. `in-doubt`: a write that
   * marks its entries (`safe`) is running.
   */
  readonly miss: KeyEvent & {
    readonly cause:
      | 'absent'
      | 'invalidated'
      | 'undecodable'
      | 'unverified'
      | 'rejected'
      | 'outdated'
      | 'expired'
      | 'in-doubt';
  };
  /** The method or the loader has run. */
  readonly load: KeyEvent & {
    /** How long it ran, in ms. */
    readonly ms: number;
    /** What it threw; undefined if it succeeded. */
    readonly error: unknown;
    /** False if it ran without a lease, so that its result is not stored. */
    readonly leased: boolean;
  };
  /** A load did not start: `limit` loads were running (`maxConcurrentLoads`), and it has waited `waitedMs` for its turn. */
  readonly loadShed: KeyEvent & { readonly limit: number; readonly waitedMs: number };
  /** A call returned the result of another call's load: of this process (`process`) or of another one (`fleet`). */
  readonly coalesced: KeyEvent & { readonly with: 'process' | 'fleet' };
  /** A value was stored. `bytes`: the size of the record. `ttlMs`: its remaining ttl. */
  readonly fill: KeyEvent & { readonly bytes: number; readonly ttlMs: number };
  /**
   * A loaded value was returned and not stored. `invalidated`, `tag-invalidated`: it was invalidated during the load.
   * `expired`: the load took longer than the ttl. `too-large`: over `maxValueBytes`. `unsupported`, and `rejected` by the
   * schema of the call: under `onUnsupported: 'bypass'`.
   */
  readonly notStored: KeyEvent & {
    readonly reason: 'invalidated' | 'tag-invalidated' | 'expired' | 'too-large' | 'unsupported' | 'rejected';
  };
  /** An invalidation has ended. `acknowledged: false`: the store is unavailable, and the invalidation is queued. */
  readonly invalidate: EventOrigin & {
    readonly keys: readonly string[];
    readonly tags: readonly string[];
    readonly all: boolean;
    readonly acknowledged: boolean;
  };
  /**
   * Fewer replicas of the store have confirmed an invalidation than it was to wait for (`waitReplicas`): `replicas` of `count`.
   * A failover to another one may bring the old values back.
   */
  readonly underReplicated: EventOrigin & {
    readonly keys: readonly string[];
    readonly tags: readonly string[];
    readonly all: boolean;
    readonly replicas: number;
    readonly count: number;
  };
  /**
   * A returned value was not current, and nobody has invalidated it: the option `verify` has found it (docs/verify.md).
   * `ageMs`: since its load had started, when it was returned. `tier`: where it was found. `path`: the first part that
   * differs, such as `.orders[3].total`; empty for the value itself.
   */
  readonly stale: KeyEvent & {
    readonly ageMs: number;
    readonly tier: 'l1' | 'l2';
    readonly path: string;
  };
  /** A rate limit has decided about a call. `enforced: false`: a dry run, in which the call runs in any case. */
  readonly limit: KeyEvent & {
    readonly rule: string;
    readonly allowed: boolean;
    readonly cost: number;
    readonly source: Decision['source'];
    readonly enforced: boolean;
  };
  /** A lock was acquired. `waitedMs`: how long the call waited for it. */
  readonly lock: LockEvent & { readonly waitedMs: number };
  /** A lock was released. `heldMs`: how long it was held. `lost`: its lease had ended before the release. */
  readonly unlock: LockEvent & { readonly heldMs: number; readonly lost: boolean };
  /** A lock was not acquired: others held it, too few servers answered, or the caller's signal aborted. */
  readonly lockNotAcquired: LockEvent & {
    readonly waitedMs: number;
    readonly reason: 'held' | 'unavailable' | 'aborted';
  };
  /** A lease was lost while its body still ran. */
  readonly lockLost: LockEvent & { readonly reason: Exclude<LockLostError['reason'], 'released'> };
  /**
   * Messages of a subscription were lost, or may have been. `interrupted`: the connection was lost, and messages that were
   * published between `from` and `to` may not have arrived. `overflow`: too many waited for the handler, and `count` were
   * dropped. `closed`: `count` still waited when the subscription ended.
   */
  readonly messagesLost: EventOrigin & {
    /** The channel or pattern, as it was defined. */
    readonly channel: string;
    readonly cause: 'interrupted' | 'overflow' | 'closed';
    readonly count: number | undefined;
    readonly from: Date | undefined;
    readonly to: Date | undefined;
  };
  /** An error that no caller received: of the store, of a payload, or of a key that could not be built. */
  readonly error: EventOrigin & {
    /** What failed: `read`, `lease`, `fill`, `invalidate`, `key`, `publish`, `message`, `enqueue`, `job`, `worker`, ... */
    readonly operation: string;
    readonly key: string | undefined;
    readonly error: unknown;
  };
  /** The store has stopped answering. Calls fail at once or continue without it, as their options say. */
  readonly degraded: EventOrigin & { readonly error: Error };
  /** The store answers again. */
  readonly recovered: EventOrigin;
}

/** The name of an event. */
export type EventName = keyof CachementEvents;

type Channels = { readonly [Name in EventName]: Channel };

export const channels: Channels = {
  hit: channel('cachement:hit'),
  miss: channel('cachement:miss'),
  load: channel('cachement:load'),
  loadShed: channel('cachement:loadShed'),
  coalesced: channel('cachement:coalesced'),
  fill: channel('cachement:fill'),
  notStored: channel('cachement:notStored'),
  invalidate: channel('cachement:invalidate'),
  underReplicated: channel('cachement:underReplicated'),
  stale: channel('cachement:stale'),
  limit: channel('cachement:limit'),
  lock: channel('cachement:lock'),
  unlock: channel('cachement:unlock'),
  lockNotAcquired: channel('cachement:lockNotAcquired'),
  lockLost: channel('cachement:lockLost'),
  messagesLost: channel('cachement:messagesLost'),
  error: channel('cachement:error'),
  degraded: channel('cachement:degraded'),
  recovered: channel('cachement:recovered'),
};

export const eventNames = Object.keys(channels) as readonly EventName[];

/**
 * Subscribes to one kind of event of every `Caching` in this process. The listener is called synchronously; what it throws
 * is reported as an uncaught exception.
 *
 * @returns a function that ends the subscription
 * @example
 * const stop = subscribe('miss', ({ method, cause }) => misses.inc({ method, cause }));
 */
export function subscribe<Name extends EventName>(
  name: Name,
  listener: (event: CachementEvents[Name]) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as CachementEvents[Name]);
  channels[name].subscribe(onMessage);
  return () => void channels[name].unsubscribe(onMessage);
}
