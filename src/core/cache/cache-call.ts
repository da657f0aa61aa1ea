import type { StoreUnavailableError } from '../shared/errors.js';
import type { MethodLabel } from '../shared/event-publisher.js';
import type { TagVersion } from '../ports/entry-format.js';
import type { Keeps } from '../ports/entry-store.js';
import type { CachePolicy } from './cache-options.js';
import type { LoadBulkhead } from './load-bulkhead.js';

/** One cached call, as decorators and verbs pass it to the engine. */
export interface CacheCall<T> {
  /** The logical key. */
  readonly key: string;
  readonly load: () => Promise<T>;
  /** The tags that are known before the load. */
  readonly tags: readonly string[];
  /**
   * Computes the tags that depend on the load, from its value and the tags that it has set; undefined if there are none.
   */
  readonly resultTags: ((value: T, set: readonly string[]) => readonly string[]) | undefined;
  /** Computes the ttl from the loaded value, in ms, if the policy leaves it to that; undefined if it is fixed. */
  readonly resultTtl?: ((value: T) => number) | undefined;
  readonly unless: ((value: T) => boolean) | undefined;
  readonly policy: CachePolicy;
  /** Bounds the loads of the decorated method; undefined if only the bound of the `Caching` applies, if it has one. */
  readonly bulkhead: LoadBulkhead | undefined;
  /** The caller's own signal: it ends the call, and the load only if no other call waits for it. */
  readonly signal: AbortSignal | undefined;
  /** Of a call that belongs to a batch. The loads of a batch are not bounded. */
  readonly batch?: BatchMember | undefined;
  /** Of a call whose value is verified if it is a hit. */
  readonly sample?: Sample | undefined;
  /** `Class.method` in events; undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
  /** The decorated method that loads; undefined for the plain verbs. */
  readonly site: LoadSite | undefined;
}

/** What the engine tells a batch about the call of one id. */
export interface BatchMember {
  /** The call has found a value, or waits for a load that is not its own. Then the batch does not wait for it. */
  readonly decided: () => void;
}

/** What the verification of a call needs beside the call. */
export interface Sample {
  /** False if the caller has changed an argument since: a load would be one of another key. */
  readonly hasItsKey: () => boolean;
  /** Loads the id of a call that belongs to a batch; undefined: the loader of the call does. */
  readonly load?: (() => Promise<unknown>) | undefined;
}

/** A decorated method. Compared by identity: an override is another site of the same name, and may have the same key. */
export interface LoadSite {
  readonly name: string | symbol;
}

/** The store's keys for one call, computed once. */
export interface CallKeys {
  readonly entry: string;
  /** The clear nonce of the namespace first, then one for each tag. */
  readonly nonces: readonly string[];
}

export type LookupResult =
  | {
      readonly status: 'hit';
      readonly value: unknown;
      readonly tags: readonly TagVersion[];
      /** Of the load that stored it. */
      readonly token: string;
      readonly tier: 'l1' | 'l2';
      /** The token of the stored value, if it is time to load it again in the background. */
      readonly refreshes?: string | undefined;
    }
  | StaleResult
  | MissResult
  /** Writes that may change the value are running: the call loads, and its value is not stored. */
  | { readonly status: 'in-doubt' }
  /** The store did not answer, which is `error`, or an invalidation of this key is still queued. */
  | { readonly status: 'unavailable'; readonly error: StoreUnavailableError | undefined };

/** No valid value is stored. */
export interface MissResult {
  readonly status: 'miss';
  /** The token of the stored value, which is no longer valid; undefined if no value is stored. */
  readonly replaces: string | undefined;
  /** True if the stored value has only expired: callers with `grace` may still return it. */
  readonly keeps: boolean;
}

/** A value after its ttl, which may be returned if the load fails or takes too long. */
export interface StaleResult {
  readonly status: 'stale';
  readonly value: unknown;
  readonly tags: readonly TagVersion[];
  /** Its token. */
  readonly replaces: string;
  /** True if a load has failed lately, so that it is returned without a load. */
  readonly isBackedOff: boolean;
  /** Until when it may be returned, by this process' clock. */
  readonly until: number;
  /** When its load started, by this process' clock; undefined if that is not known. */
  readonly loadedAt: number | undefined;
}

/** What a load replaces in the store. */
export interface Replaced {
  /** The token of the stored value; undefined if no value is stored. */
  readonly token: string | undefined;
  /** What the lease of the load keeps of it. */
  readonly keeps: Keeps;
  /** The tags of the value, which must be unchanged if it is to be returned after the load has failed. */
  readonly tags: readonly TagVersion[];
}

/** Returns what a load that follows a lookup replaces; undefined if the load is not stored. */
export function replacedBy(found: LookupResult): Replaced | undefined {
  switch (found.status) {
    case 'hit':
      return { token: found.refreshes, keeps: 'back-off', tags: found.tags };
    case 'stale':
      return { token: found.replaces, keeps: 'back-off', tags: found.tags };
    case 'miss':
      return { token: found.replaces, keeps: found.keeps ? 'value' : undefined, tags: [] };
    case 'in-doubt':
    case 'unavailable':
      return undefined;
  }
}

export const MISS: MissResult = { status: 'miss', replaces: undefined, keeps: false };
/** An invalidation of the key is queued, so the store is not asked. */
export const INVALIDATION_PENDING: LookupResult = { status: 'unavailable', error: undefined };
/** The sequence number of a value that the store did not validate. It is lower than that of every call. */
export const NOT_VALIDATED = -1;
