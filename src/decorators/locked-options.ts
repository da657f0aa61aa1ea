import type { Key } from '../core/keys/key.js';
import type { LockOptions } from '../core/locks/lock-options.js';
import type { CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

export interface LockedCallOptions<This, A extends readonly unknown[]> extends Omit<LockOptions, 'signal'> {
  /** The signal of a call, if it has one: it ends the wait, not a lease that was got; the call rejects with its reason. */
  readonly signal?: NoInfer<(this: This, ...args: A) => AbortSignal | undefined> | undefined;
  /** False: this call runs the method without a lock. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /**
   * Stands for class and method name in the default key and in events. Give one where class names are minified or
   * not unique.
   */
  readonly name?: string | undefined;
  /** Which `Caching`. @default found through the container (docs/dependency-injection.md) */
  readonly cache?: CachingSource<This> | undefined;
}

interface OneKey<This, A extends readonly unknown[], K extends string> {
  /**
   * What is locked: a template with positions and paths (`'invoice:{0.id}'`), or a function of the arguments that
   * returns a key or its parts. Arguments that make no key reject with a KeyError: the method never runs unlocked.
   * @default class and method name, and the arguments in a stable text (hashed when long)
   */
  readonly key?: Template<K, A> | NoInfer<(this: This, ...args: A) => Key> | undefined;
  readonly keys?: 'either key or keys' | undefined;
}

interface SeveralKeys<This, A extends readonly unknown[], K extends string> {
  /** Several that are got together or not at all: templates, or a function of the arguments. */
  readonly keys:
    | Template<K, A>
    | readonly Template<K, A>[]
    | NoInfer<(this: This, ...args: A) => readonly Key[]>;
  readonly key?: undefined;
}

export type LockedOptions<This, A extends readonly unknown[], K extends string> = LockedCallOptions<This, A> &
  (OneKey<This, A, K> | SeveralKeys<This, A, K>);
