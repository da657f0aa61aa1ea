import type { Key } from '../core/cache.js';
import { InvalidationError, notTaken, OptionsError } from '../core/errors.js';
import { logicalKey } from '../core/key.js';
import { checkNames, type OnUnavailable } from '../core/options.js';
import type { Target } from '../core/pending-invalidations.js';
import { normaliseTags } from '../core/tags.js';
import { around, callAsync, type AsyncMethodDecorator } from './around.js';
import { checkBoolean, checkFunction, checkMethodName, checkOneOf } from './check-options.js';
import { listMaker } from './list-maker.js';
import { MethodId } from './method-id.js';
import { checkSource, resolveCaching, type CachingSource } from './resolve.js';
import type { Template } from './template.js';

/** When an invalidation is made. */
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
  /** Which entries: templates, or a function of the result and the arguments that returns keys or their parts. */
  readonly keys?:
    | Template<K, A>
    | readonly Template<K, A>[]
    | NoInfer<(this: This, result: Known<R, W>, ...args: A) => readonly Key[]>
    | undefined;
  /** Which tags: templates, or a function of the result and the arguments. */
  readonly tags?:
    | Template<T, A>
    | readonly Template<T, A>[]
    | NoInfer<(this: This, result: Known<R, W>, ...args: A) => readonly string[]>
    | undefined;
  /** Everything in the namespace. @default false */
  readonly all?: boolean | undefined;
  /**
   * `after`: once the method has succeeded, before its promise resolves. `before`: before it runs, whatever
   * comes of it; a load that reads the old state while the method runs may then be stored. `both`: before, and
   * after success.
   * @default 'after'
   */
  readonly timing?: W | undefined;
  /** False: this call invalidates nothing. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** True: this result invalidates nothing. (What stands under `before` is gone already.) */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * When the store cannot take it: `queue` returns the result and retries in the background; until then this
   * process reads past the entries, and others may return them. `throw` rejects with an InvalidationError that
   * carries the result (and retries all the same); where the one before the method fails, the method does not
   * run.
   * @default 'queue'
   */
  readonly onUnavailable?: OnUnavailable | undefined;
  /** Stands for class and method name in events. */
  readonly name?: string | undefined;
  /** Which `Caching`. @default found through the container (docs/dependency-injection.md) */
  readonly cache?: CachingSource<This> | undefined;
}

const NAMES = ['keys', 'tags', 'all', 'timing', 'when', 'unless', 'onUnavailable', 'name', 'cache'];

type AnyOptions = InvalidatesOptions<unknown, readonly unknown[], unknown, string, string, Timing>;

/**
 * Makes entries count no more once the method has succeeded, before its promise resolves: a call that starts
 * after that, in any process, does not return them, and no load that began earlier brings them back.
 *
 * @throws DecorationError, OptionsError while the class is defined
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
  checkNames(options, NAMES, '@Invalidates({ ... })');
  // The types above are for the caller; from here on arguments are what they are at run time.
  const given = options as unknown as AnyOptions;
  const { keys, tags, all = false, timing = 'after', onUnavailable = 'queue' } = given;
  if (keys === undefined && tags === undefined && !all) {
    throw new OptionsError(
      "@Invalidates({ ... }) invalidates nothing. Give it keys: 'user:{0}', tags: ['users'], or all: true.",
    );
  }
  return around('@Invalidates', (site) => {
    const at = `@Invalidates on ${String(site.name)}`;
    checkOneOf('timing', timing, ['after', 'before', 'both'], at);
    checkOneOf('onUnavailable', onUnavailable, ['queue', 'throw'], at);
    checkBoolean('all', all, at);
    checkFunction('when', given.when, at);
    checkFunction('unless', given.unless, at);
    checkMethodName(given.name, at);
    checkSource(given.cache, at);
    const id = new MethodId('@Invalidates', site, given.name, undefined);
    const keysOf = listMaker(keys, `keys of ${at}`);
    const tagsOf = listMaker(tags, `tags of ${at}`);
    const targetOf = (self: unknown, result: unknown, args: unknown[]): Target => {
      try {
        return {
          keys: keysOf(self, [result, ...args], args).map((key) => logicalKey(key, `keys of ${at}`)),
          tags: normaliseTags(tagsOf(self, [result, ...args], args) as readonly string[], at),
          all,
        };
      } catch (cause) {
        throw new InvalidationError(
          `${id.where(self)} could not tell what to invalidate, so nothing was: ${messageOf(cause)}`,
          result,
          { cause },
        );
      }
    };
    return async (self, args, original) => {
      const caching = resolveCaching(self, given.cache, () => id.where(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => id.where(self));
      if (!caching.enabled || (given.when !== undefined && !given.when.apply(self, args))) return run();
      const drop = async (result: unknown): Promise<void> => {
        const failure = await caching.engine.drop(targetOf(self, result, args), id.of(self));
        if (failure !== undefined && onUnavailable === 'throw') throw notTaken(failure, result);
      };
      if (timing !== 'after') await drop(undefined);
      const result = await run();
      const spared = timing === 'before' || given.unless?.apply(self, [result, ...args]) === true;
      if (!spared) await drop(result);
      return result;
    };
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
