import type { Key } from '../core/cache.js';
import { currentCapture } from '../core/captures.js';
import type { Caching } from '../core/caching.js';
import type { Engine } from '../core/engine.js';
import { KeyError } from '../core/errors.js';
import { defaultKey } from '../core/key.js';
import { checkNames, policyNames, resolvePolicy, type Policy, type PolicyOptions } from '../core/options.js';
import { normaliseTags } from '../core/tags.js';
import { around, callAsync, type AsyncMethodDecorator } from './around.js';
import { checkFunction, checkMethodName, checkOneOf } from './check-options.js';
import { compileTemplates } from './compile-templates.js';
import { keyMaker } from './key-maker.js';
import { LoadsUnderWay } from './loads-under-way.js';
import { MethodId } from './method-id.js';
import { checkSource, resolveCaching, type CachingSource } from './resolve.js';
import type { Template } from './template.js';

export interface CachedOptions<
  This,
  A extends readonly unknown[],
  R,
  K extends string,
  T extends string,
> extends PolicyOptions {
  /**
   * Where the result is stored: a template with positions and paths (`'user:{0.id}'`), or a function of the
   * arguments that returns a key or its parts.
   * @default class and method name, and the arguments in a stable text (hashed when long)
   */
  readonly key?: Template<K, A> | NoInfer<(this: This, ...args: A) => Key> | undefined;
  /**
   * Labels by which entries can be invalidated together: templates, or a function of the result and the
   * arguments. Those known from the arguments are checked in the round trip of the entry.
   */
  readonly tags?:
    | Template<T, A>
    | readonly Template<T, A>[]
    | NoInfer<(this: This, result: R, ...args: A) => readonly string[]>
    | undefined;
  /** False: this call runs the method, and neither reads nor stores. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** True: this result is returned and not stored. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * Stands for class and method name in default keys and events. Give one where class names are minified or
   * not unique.
   */
  readonly name?: string | undefined;
  /** Which `Caching`. @default found through the container (docs/dependency-injection.md) */
  readonly cache?: CachingSource<This> | undefined;
  /**
   * When no key can be made of the arguments (a cycle, a function, a class instance): `bypass` runs the method
   * uncached and publishes an `error` event, `throw` rejects with the KeyError.
   * @default 'bypass'
   */
  readonly onKeyError?: 'bypass' | 'throw' | undefined;
}

const NAMES = [...policyNames, 'key', 'tags', 'when', 'unless', 'name', 'cache', 'onKeyError'];

type AnyOptions = CachedOptions<unknown, readonly unknown[], unknown, string, string>;

/**
 * Stores what the method returns, and returns what is stored. However many callers in however many processes
 * miss at once, the method runs once; what an invalidation overtakes is not stored.
 *
 * @throws DecorationError, OptionsError while the class is defined
 * @example
 * @Cached({ key: 'user:{0}', ttl: '15m', tags: (user) => [`org:${user.orgId}`] })
 * async find(id: string): Promise<User> { ... }
 */
export function Cached<
  This extends object,
  A extends readonly unknown[],
  R,
  const K extends string,
  const T extends string,
>(options: CachedOptions<This, A, R, K, T> = {}): AsyncMethodDecorator<This, A, R> {
  checkNames(options, NAMES, '@Cached({ ... })');
  // The types above are for the caller; from here on arguments are what they are at run time.
  const given = options as unknown as AnyOptions;
  return around('@Cached', (site) => {
    const at = `@Cached on ${String(site.name)}`;
    checkFunction('when', given.when, at);
    checkFunction('unless', given.unless, at);
    checkMethodName(given.name, at);
    checkSource(given.cache, at);
    const { onKeyError = 'bypass' } = given;
    checkOneOf('onKeyError', onKeyError, ['bypass', 'throw'], at);
    const id = new MethodId('@Cached', site, given.name, given.key === undefined ? 'entries' : undefined);
    // Checked here already; a ttl may still come from the defaults of the Caching.
    resolvePolicy(given, { ttl: 1 }, at);
    const keyOf = keyMaker(given.key, at);
    const tags = tagMaker(given.tags, at);
    const policyOf = policyFor(given, at);
    const loads = new LoadsUnderWay(site);
    return async (self, args, original) => {
      const caching = resolveCaching(self, given.cache, () => id.where(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => id.where(self));
      // A load around this one that takes over the tags of its cached calls has none of this: nothing proves it.
      const runUncached = (): Promise<unknown> => {
        currentCapture()?.add(undefined);
        return run();
      };
      if (!caching.enabled) return run();
      if (given.when !== undefined && !given.when.apply(self, args)) return runUncached();
      let key: string;
      let known: readonly string[];
      try {
        key = keyOf === undefined ? defaultKey(id.inKeys(self), args) : keyOf(self, args);
        known = tags.known(args);
      } catch (error) {
        if (!(error instanceof KeyError) || onKeyError === 'throw') throw error;
        caching.engine.report('key', id.of(self), error);
        return runUncached();
      }
      if (loads.isWithinAnother(self, key)) return runUncached();
      return caching.engine.read({
        key,
        load: () => loads.during(self, key, run),
        tags: known,
        tagsOf: tags.late === undefined ? undefined : (result) => tags.late!(self, result, args),
        unless:
          given.unless === undefined ? undefined : (result) => given.unless!.apply(self, [result, ...args]),
        policy: policyOf(caching),
        method: id.of(self),
      });
    };
  });
}

interface TagMaker {
  /** Those that the arguments tell. */
  known(args: unknown[]): readonly string[];
  /** Those that only the result tells. */
  readonly late: ((self: unknown, result: unknown, args: unknown[]) => readonly string[]) | undefined;
}

const NO_TAGS: readonly string[] = [];

function tagMaker(tags: AnyOptions['tags'], at: string): TagMaker {
  const where = `tags of ${at}`;
  if (tags === undefined) return { known: () => NO_TAGS, late: undefined };
  if (typeof tags === 'function') {
    return {
      known: () => NO_TAGS,
      late: (self, result, args) => normaliseTags(tags.apply(self, [result, ...args]), at),
    };
  }
  const renders = compileTemplates(tags, where);
  if (!String(tags).includes('{')) {
    const fixed = normaliseTags(
      renders.map((render) => render([])),
      at,
    );
    return { known: () => fixed, late: undefined };
  }
  return {
    known: (args) => [...new Set(renders.map((render) => render(args)))],
    late: undefined,
  };
}

/** Resolved once for each `Caching` that the method meets; nearly always there is one. */
function policyFor(options: AnyOptions, where: string): (caching: Caching) => Policy {
  const policies = new WeakMap<Engine, Policy>();
  return ({ engine }) => {
    let policy = policies.get(engine);
    if (policy === undefined) policies.set(engine, (policy = engine.policy(options, where)));
    return policy;
  };
}
