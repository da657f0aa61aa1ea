import { describe } from '../core/shared/describe.js';
import { DecorationError, OptionsError } from '../core/shared/errors.js';
import { parseOptions, type Option } from '../core/shared/option-schema.js';
import { checkIdleTtl, type CacheOptions } from '../core/cache/cache-options.js';
import { normaliseTags } from '../core/cache/tags.js';
import { classOptions, hasClassDefaults, setClassDefaults } from './shared/class-defaults.js';
import type { Constructor } from './shared/declaring-class.js';
import type { CachingSource } from './shared/resolve-caching.js';

/** A tag without placeholders, or a sentence. */
type FixedTag<T extends string> = T extends `${string}${'{' | '}'}${string}`
  ? 'tags of a class are fixed names: give a template to the method'
  : T;

/**
 * The options of `@CachingDefaults`. Options of a method take precedence; those of the class take precedence over `defaults`
 * of `new Caching`.
 */
export interface CachingDefaultsOptions<This, T extends string> extends CacheOptions {
  /**
   * Tags that every entry of the class has, beside those of its method and of the classes that it extends: fixed names.
   * @default none
   */
  readonly tags?: readonly FixedTag<T>[] | undefined;
  /**
   * Tags that have no parts of the context, and that every entry of the class has, beside those of its method
   * (docs/context.md).
   * @default none
   */
  readonly sharedTags?: readonly string[] | undefined;
  /** What a cached method does if a call has no valid key. @default 'bypass' */
  readonly onKeyError?: 'bypass' | 'throw' | undefined;
  /**
   * Parts of the context that the keys have beside those of the `Caching`, or false (docs/context.md). Also of
   * `@Invalidates`, `@RateLimited` and `@Locked`.
   * @default those of the `Caching`
   */
  readonly context?: readonly string[] | false | undefined;
  /**
   * Replaces the name of the class in default keys and events: `users.find`. Also of `@Invalidates`, `@RateLimited` and
   * `@Locked`. Subclasses do not inherit it.
   * @default the name of the class
   */
  readonly name?: string | undefined;
  /**
   * The `Caching` to use, or a function of the instance (of the class, for a static method) that returns it. Also of
   * `@Invalidates`, `@RateLimited` and `@Locked`.
   * @default found through the container (docs/dependency-injection.md)
   */
  readonly cache?: CachingSource<This> | undefined;
}

/** The schema of `CachingDefaultsOptions`. */
export const cachingDefaultsOptions = classOptions satisfies Record<
  keyof CachingDefaultsOptions<unknown, string>,
  Option<unknown>
>;

/** A decorator for classes. It works as a standard and as a legacy decorator (`experimentalDecorators`). */
export type ClassDecoratorOf<This> = (
  target: { readonly prototype: This },
  context?: { readonly kind: 'class' },
) => void;

/**
 * Sets options for the decorated methods of a class and of its subclasses: those of `@Cached` and `@CachedMany`; `name`,
 * `context` and `cache` also of `@Invalidates`, `@RateLimited` and `@Locked`. The order is: the method, the class of the instance, the classes that
 * it extends, the `Caching`. Tags add up instead.
 *
 * @throws DecorationError (by the returned decorator) on anything but a class, and on a class that has it already
 * @throws OptionsError (by the returned decorator) names the class and the option
 * @example
 * @CachingDefaults({ ttl: '15m', tags: ['users'] })
 * class Users {
 *   @Cached()
 *   async find(id: string): Promise<User> { ... }
 * }
 */
export function CachingDefaults<This extends object, const T extends string>(
  options: CachingDefaultsOptions<This, T>,
): ClassDecoratorOf<This> {
  return (target: unknown, context?: unknown): void => {
    const kind = (context as { readonly kind?: unknown } | undefined)?.kind;
    const isClass = typeof target === 'function' && (context === undefined || kind === 'class');
    if (!isClass) {
      const what = typeof kind === 'string' ? `a ${kind}` : describe(target);
      throw new DecorationError(
        `@CachingDefaults decorates classes, and it was given ${what}. Put it above the class.`,
      );
    }
    const owner = target as unknown as Constructor;
    const label = `@CachingDefaults on ${owner.name === '' ? '(anonymous)' : owner.name}`;
    const parsed = parseOptions(cachingDefaultsOptions, options, label);
    checkIdleTtl(parsed.idleTtl, parsed.ttl, label);
    normaliseTags(parsed.tags, label);
    // A template would be escaped, and be a tag that no invalidation names.
    const template = parsed.tags?.find((tag) => /[{}]/.test(tag));
    if (template !== undefined) {
      throw new OptionsError(
        `tags of ${label} are fixed names, and ${describe(template)} has a placeholder. Give it to the @Cached of a method.`,
      );
    }
    normaliseTags(parsed.sharedTags, label);
    if (hasClassDefaults(owner)) {
      throw new DecorationError(`${label} is there twice. Give the class one, with all options.`);
    }
    setClassDefaults(owner, parsed);
  };
}
