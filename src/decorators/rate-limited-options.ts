import type { Key } from '../core/keys/key.js';
import type { Duration } from '../core/shared/duration.js';
import type { LimitOptions } from '../core/limits/limit-options.js';
import type { ConcurrencyRule, Rule, WindowRule } from '../core/limits/rules.js';
import type { CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

/** The options of `@RateLimited` without the rules. Defaults are those of `limits` of `new Caching`. */
interface CallOptions<This, A extends readonly unknown[], K extends string> extends LimitOptions {
  /**
   * The subject of the limit: a template with positions and paths (`'login:{0.ip}'`), or a function of the arguments
   * that returns a key or its parts. Calls with the same key share the limit. Without a valid key the call rejects with
   * a KeyError, because it cannot be counted (in a dry run the method runs, and an `error` event is published).
   * @default class and method name: one limit for all calls of the method
   */
  readonly key?: Template<K, A> | NoInfer<(this: This, ...args: A) => Key> | undefined;
  /**
   * Units that a call takes, or a function of the arguments that returns them: a whole number, 0 or more. 0 takes
   * nothing, and checks the limit as 1 does.
   * @default 1
   */
  readonly cost?: number | NoInfer<(this: This, ...args: A) => number> | undefined;
  /** A function of the arguments. If it returns false, the method runs, and the call is neither counted nor refused. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /**
   * Whether the units of a call are refunded if the method throws: true, or a function of the error and the arguments
   * that returns true.
   * @default false
   */
  readonly refundOnError?: boolean | NoInfer<(this: This, error: unknown, ...args: A) => boolean> | undefined;
  /**
   * True: the method always runs, and the decision is only published, as the event `limit`.
   * @default false
   */
  readonly dryRun?: boolean | undefined;
  /**
   * Parts of the context that the key has beside those of the `Caching`: each value has a limit of its own; or false: all
   * contexts share the limit (docs/context.md).
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
  /**
   * Replaces class and method name in the default key and in events. Give a name if class names are minified or not
   * unique.
   * @default class and method name: `Sessions.login`
   */
  readonly name?: string | undefined;
  /**
   * The `Caching` to use, or a function of the instance that returns it.
   * @default found through the container (docs/dependency-injection.md)
   */
  readonly cache?: CachingSource<This> | undefined;
}

/** One rule, given on the decorator itself. */
interface InlineRule<This, A extends readonly unknown[]> {
  /**
   * Units in a window (slots for `concurrency`), or a function of the arguments that returns them: a whole number, 0 or
   * more. 0: every call is refused.
   */
  readonly limit: number | NoInfer<(this: This, ...args: A) => number>;
  /**
   * The name of the rule in decisions, headers and keys.
   * @default algorithm and window: `gcra-60000`
   */
  readonly rule?: string | undefined;
  readonly rules?: 'either rules, or limit and the other options of one rule' | undefined;
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
  /**
   * Rules that must all admit the call, or a function of the arguments that returns them. Units are taken from all or
   * none.
   */
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
   * What to do with a call that exceeds the limit. `throw`: it rejects with a RateLimitExceededError. `wait`: it waits
   * for capacity for at most `wait`, and rejects then.
   * @default 'throw'
   */
  readonly onExceeded?: 'throw' | undefined;
  readonly wait?: undefined;
  readonly signal?: undefined;
}

interface Waiting<This, A extends readonly unknown[]> {
  readonly onExceeded: 'wait';
  /** How long to wait for capacity. Only with `onExceeded: 'wait'`, which needs it. */
  readonly wait: Duration;
  /**
   * A function of the arguments that returns the signal of the call, or undefined. It aborts the wait: the call rejects
   * with its reason. Only with `onExceeded: 'wait'`.
   */
  readonly signal?: NoInfer<(this: This, ...args: A) => AbortSignal | undefined> | undefined;
}

/** The options of `@RateLimited`: either one rule (`limit` and `per`), or `rules`. */
export type RateLimitedOptions<This, A extends readonly unknown[], K extends string> = CallOptions<
  This,
  A,
  K
> &
  (InlineWindow<This, A> | InlineConcurrency<This, A> | SeveralRules<This, A>) &
  (Throwing | Waiting<This, A>);
