import type { Key } from '../core/cache/cache.js';
import { InvalidationError, invalidationQueued, OptionsError } from '../core/shared/errors.js';
import { logicalKey } from '../core/keys/key.js';
import { flag, oneOf, parseOptions, unchecked, type Option } from '../core/shared/option-schema.js';
import type { OnUnavailable } from '../core/cache/cache-options.js';
import type { InvalidationTarget } from '../core/cache/pending-invalidations.js';
import { normaliseTags } from '../core/cache/tags.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { compileKeys, type KeysOption } from './shared/compile-key.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import { resolveCaching, type CachingSource } from './shared/resolve-caching.js';
import type { Template } from './shared/key-template-type.js';

/** When the invalidation is sent. */
export type Timing = 'after' | 'before' | 'both';

/** The method's result; before the method has run there is none. */
type Known<R, W extends Timing> = W extends 'after' ? R : R | undefined;

export interface InvalidatesOptions<
  This,
  A extends readonly unknown[],
  R,
  K extends string,
  T extends string,
  W extends Timing,
> {
  /** The entries: templates, or a function of the result and the arguments that returns keys or their parts. */
  readonly keys?:
    | Template<K, A>
    | readonly Template<K, A>[]
    | NoInfer<(this: This, result: Known<R, W>, ...args: A) => readonly Key[]>
    | undefined;
  /** The tags: templates, or a function of the result and the arguments. */
  readonly tags?:
    | Template<T, A>
    | readonly Template<T, A>[]
    | NoInfer<(this: This, result: Known<R, W>, ...args: A) => readonly string[]>
    | undefined;
  /** Everything in the namespace. @default false */
  readonly all?: boolean | undefined;
  /**
   * `after`: once the method has succeeded, before its promise resolves. `before`: before the method runs, whether it
   * succeeds or not; a load that reads the old state while the method runs may then be stored. `both`: before, and again
   * after success.
   * @default 'after'
   */
  readonly timing?: W | undefined;
  /** False: this call invalidates nothing. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** True: this result invalidates nothing after the method. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * When the store cannot take it. `queue`: the call returns the result, and the invalidation is retried in the
   * background; until then this process reads past the entries, and other processes may return them. `throw`: the call
   * rejects with an InvalidationError that carries the result, and the invalidation is retried as well; if the one before
   * the method fails, the method does not run.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /** Stands for class and method name in events. */
  readonly name?: string | undefined;
  /** Which `Caching`. @default found through the container (docs/dependency-injection.md) */
  readonly cache?: CachingSource<This> | undefined;
}

/** The same as a schema: names, checks and defaults. */
export const invalidatesOptions = {
  keys: unchecked<KeysOption>('templates or a function'),
  tags: unchecked<KeysOption>('templates or a function'),
  all: flag(false),
  timing: oneOf(['after', 'before', 'both'], 'after'),
  unless: decoratorOptions.when as Option<
    ((this: unknown, result: unknown, ...args: readonly unknown[]) => boolean) | undefined
  >,
  onUnavailable: oneOf(['queue', 'throw'], 'queue'),
  ...decoratorOptions,
} satisfies Record<
  keyof InvalidatesOptions<unknown, readonly unknown[], unknown, string, string, Timing>,
  Option<unknown>
>;

/**
 * Invalidates entries after the method succeeds, before its promise resolves: a call that starts after that, in any
 * process, does not return them, and no load that began earlier brings them back.
 *
 * @throws DecorationError, OptionsError while the class is defined. Calls reject with what the method throws, and with an
 * InvalidationError if no key can be made of result and arguments, or under `onUnavailable: 'throw'`
 * @example
 * @Invalidates({ keys: 'user:{0.id}', tags: (saved) => [`org:${saved.orgId}`] })
 * async save(user: User): Promise<User> { ... }
 */
export function Invalidates<
  This extends object,
  A extends readonly unknown[],
  R,
  const K extends string,
  const T extends string,
  const W extends Timing = 'after',
>(options: InvalidatesOptions<This, A, R, K, T, W>): AsyncMethodDecorator<This, A, R> {
  return decorateInvalidates(options, Invalidates);
}

/** @param entry the public function that the user called */
export function decorateInvalidates<This, A extends readonly unknown[], R>(
  options: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@Invalidates', entry, (joinPoint) => {
    const at = `@Invalidates on ${String(joinPoint.name)}`;
    // The types above are for the caller; from here on arguments are what they are at run time.
    const given = parseOptions(invalidatesOptions, options, at);
    const { keys, tags, all = false, timing = 'after', onUnavailable = 'queue', when, unless, cache } = given;
    if (keys === undefined && tags === undefined && !all) {
      throw new OptionsError(
        `${at} invalidates nothing. Give it keys: 'user:{0}', tags: ['users'], or all: true.`,
      );
    }
    const name = new MethodName('@Invalidates', joinPoint, given.name, undefined);
    const keysOf = compileKeys(keys, `keys of ${at}`);
    const tagsOf = compileKeys(tags, `tags of ${at}`);
    const targetOf = (self: unknown, result: unknown, args: unknown[]): InvalidationTarget => {
      try {
        return {
          keys: keysOf(self, [result, ...args], args).map((key) => logicalKey(key, `keys of ${at}`)),
          tags: normaliseTags(tagsOf(self, [result, ...args], args) as readonly string[], at),
          all,
        };
      } catch (cause) {
        throw new InvalidationError(
          `${name.forErrors(self)} invalidated nothing, because it could not make its keys or tags: ${messageOf(cause)}`,
          result,
          { cause },
        );
      }
    };
    return async (self, args, original) => {
      const caching = resolveCaching(self, cache, () => name.forErrors(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => name.forErrors(self));
      const engine = caching.engines.cache;
      if (!engine.enabled || (when !== undefined && !when.apply(self, args))) return run();
      const invalidate = async (result: unknown): Promise<void> => {
        const failure = await engine.invalidate(targetOf(self, result, args), () => name.forEvents(self));
        if (failure !== undefined && onUnavailable === 'throw') throw invalidationQueued(failure, result);
      };
      if (timing !== 'after') await invalidate(undefined);
      const result = await run();
      const isExcepted = timing === 'before' || unless?.apply(self, [result, ...args]) === true;
      if (!isExcepted) await invalidate(result);
      return result;
    };
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
