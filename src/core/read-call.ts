import type { Tagged } from './entry.js';
import type { Policy } from './options.js';

/** One cached call, as decorators and verbs hand it to the engine. */
export interface ReadCall<T> {
  readonly key: string;
  readonly load: () => Promise<T>;
  /** Known before the load. */
  readonly tags: readonly string[];
  /** Known from the value alone. */
  readonly tagsOf: ((value: T) => readonly string[]) | undefined;
  readonly unless: ((value: T) => boolean) | undefined;
  readonly policy: Policy;
  /** `Class.method` in events. */
  readonly method: string | undefined;
}

/** What a look into the store found. */
export type Found =
  | { readonly is: 'hit'; readonly value: unknown; readonly tagged: readonly Tagged[] }
  /** `replaces`: the token of a value that stands there and counts no more. */
  | { readonly is: 'miss'; readonly replaces: string | undefined }
  /** The store cannot be asked, or must not be believed about this key. */
  | { readonly is: 'away' };

export const MISS: Found = { is: 'miss', replaces: undefined };
export const AWAY: Found = { is: 'away' };
/** The ordinal of what was never vouched for: before all calls. */
export const NEVER = -1;
