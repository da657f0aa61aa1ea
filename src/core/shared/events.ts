import { channel, type Channel } from 'node:diagnostics_channel';
import type { Decision } from '../ports/decision.js';
import type { LockLostError } from './errors.js';

/** Common to all events: which `Caching`, and which decorated method where there is one (a good metric label). */
export interface EventOrigin {
  readonly namespace: string;
  /** `Class.method`, or undefined for the plain verbs. */
  readonly method: string | undefined;
}

export interface KeyEvent extends EventOrigin {
  /** The logical key. Never use it as a metric label. */
  readonly key: string;
}

export interface LockEvent extends EventOrigin {
  /** The logical keys. */
  readonly keys: readonly string[];
}

/**
 * What happens, by name. Each is published on the `node:diagnostics_channel` channel `cachement:<name>`, and
 * costs one property read while nobody listens.
 */
export interface CachementEvents {
  /** A stored value was returned. */
  readonly hit: KeyEvent & { readonly tier: 'l2' };
  /** Nothing valid was stored. `cause` tells why. */
  readonly miss: KeyEvent & { readonly cause: 'absent' | 'invalidated' | 'undecodable' | 'outdated' };
  /** The method, or the loader, ran. */
  readonly load: KeyEvent & {
    readonly ms: number;
    readonly error: unknown;
    /** False: it ran without a lease, so its result is not stored. */
    readonly leased: boolean;
  };
  /** The call was served by a load that another caller of this process, or another process, had begun. */
  readonly coalesced: KeyEvent & { readonly with: 'process' | 'fleet' };
  /** A value was stored. */
  readonly fill: KeyEvent & { readonly bytes: number; readonly ttlMs: number };
  /** A loaded value was returned to its callers but not stored. */
  readonly notStored: KeyEvent & {
    readonly reason: 'invalidated' | 'tag-invalidated' | 'expired' | 'too-large' | 'unsupported';
  };
  /** An invalidation ended. Not acknowledged: it is queued and retried, and this process reads past it. */
  readonly invalidate: EventOrigin & {
    readonly keys: readonly string[];
    readonly tags: readonly string[];
    readonly all: boolean;
    readonly acknowledged: boolean;
  };
  /** A rate limit decided. `enforced` is false in a dry run: the call went on whatever it said. */
  readonly limit: KeyEvent & {
    readonly rule: string;
    readonly allowed: boolean;
    readonly cost: number;
    readonly source: Decision['source'];
    readonly enforced: boolean;
  };
  /** A lock was got. */
  readonly lock: LockEvent & { readonly waitedMs: number };
  /** A lock was given back, or its lease had ended before (`lost`). */
  readonly unlock: LockEvent & { readonly heldMs: number; readonly lost: boolean };
  /** A lock was not got: others held it, too few servers answered, or the caller ended the wait. */
  readonly lockNotAcquired: LockEvent & {
    readonly waitedMs: number;
    readonly reason: 'held' | 'unavailable' | 'aborted';
  };
  /** A lease ended while its body still ran. */
  readonly lockLost: LockEvent & { readonly reason: Exclude<LockLostError['reason'], 'released'> };
  /** Something failed that no caller was told of: the store, a payload, a key that could not be made. */
  readonly error: EventOrigin & {
    readonly operation: string;
    readonly key: string | undefined;
    readonly error: unknown;
  };
  /** The store stopped answering; calls go on without it. */
  readonly degraded: EventOrigin & { readonly error: Error };
  /** The store answers again. */
  readonly recovered: EventOrigin;
}

export type EventName = keyof CachementEvents;

type Channels = { readonly [Name in EventName]: Channel };

export const channels: Channels = {
  hit: channel('cachement:hit'),
  miss: channel('cachement:miss'),
  load: channel('cachement:load'),
  coalesced: channel('cachement:coalesced'),
  fill: channel('cachement:fill'),
  notStored: channel('cachement:notStored'),
  invalidate: channel('cachement:invalidate'),
  limit: channel('cachement:limit'),
  lock: channel('cachement:lock'),
  unlock: channel('cachement:unlock'),
  lockNotAcquired: channel('cachement:lockNotAcquired'),
  lockLost: channel('cachement:lockLost'),
  error: channel('cachement:error'),
  degraded: channel('cachement:degraded'),
  recovered: channel('cachement:recovered'),
};

export const eventNames = Object.keys(channels) as readonly EventName[];

/**
 * Listens to one kind of event of every `Caching` in this process.
 *
 * @example
 * const stop = subscribe('miss', ({ method }) => misses.inc({ method }));
 * @returns ends the subscription
 */
export function subscribe<Name extends EventName>(
  name: Name,
  listener: (event: CachementEvents[Name]) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as CachementEvents[Name]);
  channels[name].subscribe(onMessage);
  return () => void channels[name].unsubscribe(onMessage);
}
