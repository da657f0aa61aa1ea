import type { StoreUnavailableError } from '../shared/errors.js';
import type { MethodLabel } from '../shared/event-publisher.js';
import type { TagVersion } from '../ports/entry-format.js';
import type { CachePolicy } from './cache-options.js';
import type { LoadBulkhead } from './load-bulkhead.js';

/** One cached call, as decorators and verbs pass it to the engine. */
export interface CacheCall<T> {
  /** The logical key. */
  readonly key: string;
  readonly load: () => Promise<T>;
  /** The tags that are known before the load. */
  readonly tags: readonly string[];
  /** Computes the tags that depend on the loaded value; undefined if there are none. */
  readonly resultTags: ((value: T) => readonly string[]) | undefined;
  readonly unless: ((value: T) => boolean) | undefined;
  readonly policy: CachePolicy;
  /** Bounds the loads of the decorated method; undefined if only the bound of the `Caching` applies, if it has one. */
  readonly bulkhead: LoadBulkhead | undefined;
  /** `Class.method` in events; undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
  /** The decorated method that loads; undefined for the plain verbs. */
  readonly site: LoadSite | undefined;
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
      readonly tier: 'l1' | 'l2';
    }
  /** `replaces`: the token of the stored value if it is no longer valid; undefined if no value is stored. */
  | { readonly status: 'miss'; readonly replaces: string | undefined }
  /** The store did not answer, which is `error`, or an invalidation of this key is still queued. */
  | { readonly status: 'unavailable'; readonly error: StoreUnavailableError | undefined };

export const MISS: LookupResult = { status: 'miss', replaces: undefined };
/** An invalidation of the key is queued, so the store is not asked. */
export const INVALIDATION_PENDING: LookupResult = { status: 'unavailable', error: undefined };
/** The sequence number of a value that the store did not validate. It is lower than that of every call. */
export const NOT_VALIDATED = -1;
