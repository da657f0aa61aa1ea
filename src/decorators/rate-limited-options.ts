import type { Key } from '../core/keys/key.js';
import type { Duration } from '../core/shared/duration.js';
import type { LimitOptions } from '../core/limits/limit-options.js';
import type { ConcurrencyRule, Rule, WindowRule } from '../core/limits/rules.js';
import type { CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

interface CallOptions<This, A extends readonly unknown[], K extends string> extends LimitOptions {
  /**
   * Whom the limit counts: a template with positions and paths (`'login:{0.ip}'`), or a function of the arguments
   * that returns a key or its parts. Arguments that make no key reject with a KeyError: what cannot be counted
   * does not run (in a dry run it does, and an `error` event is published).
   * @default class and method name: one limit for all calls of the method together
   */
  readonly key?: Template<K, A> | NoInfer<(this: This, ...args: A) => Key> | undefined;
  /**
   * Units that a call takes, a whole number; 0 takes nothing and looks.
   * @default 1
   */
  readonly cost?: number | NoInfer<(this: This, ...args: A) => number> | undefined;
  /** False: this call runs the method, and is neither counted nor refused. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /**
   * True, or a function of the error and the arguments that says so: a call that fails gives its units back.
   * @default false
   */
  readonly refundOnError?: boolean | NoInfer<(this: This, error: unknown, ...args: A) => boolean> | undefined;
  /**
   * True: the method runs whatever the limit says; what it would have said is published as the event `limit`.
   * @default false
   */
  readonly dryRun?: boolean | undefined;
  /**
   * Stands for class and method name in the default key and in events. Give one where class names are minified or
   * not unique.
   */
  readonly name?: string | undefined;
  /** Which `Caching`. @default found through the container (docs/dependency-injection.md) */
  readonly cache?: CachingSource<This> | undefined;
}

/** The rule of the decorator itself. */
interface InlineRule<This, A extends readonly unknown[]> {
  /** Units in a window (for `concurrency` slots), a whole number; 0: everything is refused. */
  readonly limit: number | NoInfer<(this: This, ...args: A) => number>;
  /** Names the rule in decisions, headers and keys. @default algorithm and window: `gcra-60000` */
  readonly rule?: string | undefined;
  readonly rules?: 'either rules, or limit and what goes with it' | undefined;
}

interface InlineWindow<This, A extends readonly unknown[]>
  extends InlineRule<This, A>, Pick<WindowRule, 'algorithm' | 'per' | 'burst'> {
  readonly lease?: "only algorithm 'concurrency' has a lease" | undefined;
}

interface InlineConcurrency<This, A extends readonly unknown[]>
  extends InlineRule<This, A>, Pick<ConcurrencyRule, 'algorithm' | 'lease'> {
  readonly per?: undefined;
  readonly burst?: undefined;
}

interface SeveralRules<This, A extends readonly unknown[]> {
  /** Rules that must all have room, or a function of the arguments that returns them. Units are taken from all or none. */
  readonly rules: readonly Rule[] | NoInfer<(this: This, ...args: A) => Rule | readonly Rule[]>;
  readonly limit?: undefined;
  readonly rule?: undefined;
  readonly algorithm?: undefined;
  readonly per?: undefined;
  readonly burst?: undefined;
  readonly lease?: undefined;
}

interface Throwing {
  /**
   * What comes of a call for which there is no room. `throw`: it rejects with a RateLimitExceededError. `wait`: it
   * waits for room, as long as `wait` says, and then rejects.
   * @default 'throw'
   */
  readonly onExceeded?: 'throw' | undefined;
  readonly wait?: undefined;
  readonly signal?: undefined;
}

interface Waiting<This, A extends readonly unknown[]> {
  readonly onExceeded: 'wait';
  /** How long to wait for room. */
  readonly wait: Duration;
  /** The signal of a call, if it has one: it ends the wait, and the call rejects with its reason. */
  readonly signal?: NoInfer<(this: This, ...args: A) => AbortSignal | undefined> | undefined;
}

export type RateLimitedOptions<This, A extends readonly unknown[], K extends string> = CallOptions<
  This,
  A,
  K
> &
  (InlineWindow<This, A> | InlineConcurrency<This, A> | SeveralRules<This, A>) &
  (Throwing | Waiting<This, A>);
