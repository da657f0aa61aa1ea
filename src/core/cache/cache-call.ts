import type { MethodLabel } from '../shared/event-publisher.js';
import type { TagVersion } from '../ports/entry-format.js';
import type { CachePolicy } from './cache-options.js';

/** One cached call, as decorators and verbs pass it to the engine. */
export interface CacheCall<T> {
  /** The logical key. */
  readonly key: string;
  readonly load: () => Promise<T>;
  /** Known before the load. */
  readonly tags: readonly string[];
  /** Known from the value only. */
  readonly resultTags: ((value: T) => readonly string[]) | undefined;
  readonly unless: ((value: T) => boolean) | undefined;
  readonly policy: CachePolicy;
  /** `Class.method` in events; undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
  /** The decorated method whose load this is; undefined for the plain verbs. */
  readonly site: LoadSite | undefined;
}

/** What tells a decorated method from an override of it, which may have the same key. */
export interface LoadSite {
  readonly name: string | symbol;
}

/** The names of one call in the store, made once. */
export interface CallKeys {
  readonly entry: string;
  /** Of the namespace's clear nonce, then of the tags. */
  readonly nonces: readonly string[];
}

export type LookupResult =
  | { readonly status: 'hit'; readonly value: unknown; readonly tags: readonly TagVersion[] }
  /** `replaces`: the token of a value that is there and does not count any more. */
  | { readonly status: 'miss'; readonly replaces: string | undefined }
  /** The store cannot be asked, or must not be believed about this key. */
  | { readonly status: 'unavailable' };

export const MISS: LookupResult = { status: 'miss', replaces: undefined };
export const UNAVAILABLE: LookupResult = { status: 'unavailable' };
/** The sequence number of a value that the store never validated: before every call. */
export const NOT_VALIDATED = -1;
