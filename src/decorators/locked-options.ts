import type { Key } from '../core/keys/key.js';
import type { LockOptions } from '../core/locks/lock-options.js';
import type { CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

/** The options of `@Locked` without the keys. Defaults are those of `locks` of `new Caching`. */
export interface LockedCallOptions<This, A extends readonly unknown[]> extends Omit<LockOptions, 'signal'> {
  /**
   * A function of the arguments that returns the signal of the call, or undefined. It aborts the wait: the call rejects
   * with its reason. It does not end a lease that was acquired.
   */
  readonly signal?: NoInfer<(this: This, ...args: A) => AbortSignal | undefined> | undefined;
  /** A function of the arguments. If it returns false, the call runs the method without a lock. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /**
   * Parts of the context that the keys have beside those of the `Caching`: each value has a lock of its own; or false: all
   * contexts share the lock (docs/context.md).
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
  /**
   * Replaces class and method name in the default key and in events. Give a name if class names are minified or not
   * unique.
   * @default class and method name: `Invoices.settle`
   */
  readonly name?: string | undefined;
  /**
   * The `Caching` to use, or a function of the instance that returns it.
   * @default found through the container (docs/dependency-injection.md)
   */
  readonly cache?: CachingSource<This> | undefined;
}

interface OneKey<This, A extends readonly unknown[], K extends string> {
  /**
   * The key to lock: a template with positions and paths (`'invoice:{0.id}'`), or a function of the arguments that
   * returns a key or its parts. Without a valid key the call rejects with a KeyError: the method does not run unlocked.
   * @default class and method name, and the arguments in a stable text (hashed if long)
   */
  readonly key?: Template<K, A> | NoInfer<(this: This, ...args: A) => Key> | undefined;
  readonly keys?: 'either key or keys' | undefined;
}

interface SeveralKeys<This, A extends readonly unknown[], K extends string> {
  /**
   * Several keys that are locked together or not at all: templates, or a function of the arguments that returns keys or
   * their parts.
   */
  readonly keys:
    | Template<K, A>
    | readonly Template<K, A>[]
    | NoInfer<(this: This, ...args: A) => readonly Key[]>;
  readonly key?: undefined;
}

/** The options of `@Locked`: either `key` or `keys`, or neither for the default key. */
export type LockedOptions<This, A extends readonly unknown[], K extends string> = LockedCallOptions<This, A> &
  (OneKey<This, A, K> | SeveralKeys<This, A, K>);
