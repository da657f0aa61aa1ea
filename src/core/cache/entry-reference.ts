import { describe } from '../shared/describe.js';
import { KeyError, MissingCachingError, OptionsError } from '../shared/errors.js';
import { originals } from '../shared/originals.js';
import { brand, shared } from '../shared/registry.js';
import type { CacheHost } from './cached-method.js';
import type { MethodArguments } from './method-types.js';

/** What `@Cached` and `@CachedMany` tell references about the method that they decorate. */
export interface KeyedMethod {
  /** Returns `@Cached on Users.find`. */
  label(self: unknown): string;
  /** The `Caching` that a call of the method would use. @throws MissingCachingError, OptionsError */
  cachingOf(self: unknown): object;
  /** The `Caching` that the method uses for every instance; undefined if that depends on the instance. */
  fixedCachingOf(self: unknown): object | undefined;
  /**
   * The keys of the entries of a call, with the parts of the context that the method has.
   * @throws KeyError, MissingContextError, OptionsError
   */
  keysOf(host: CacheHost, self: unknown, args: unknown[]): readonly string[];
}

/** By the wrapper that the decorator has made. */
const methods = shared('keyed methods', () => new WeakMap<object, KeyedMethod>());

export function registerKeyedMethod(wrapper: object, method: KeyedMethod): void {
  methods.set(wrapper, method);
}

/** Finds the decorated method, also within other decorators of this package. */
function keyedMethodOf(value: unknown): KeyedMethod | undefined {
  for (let current = value; typeof current === 'function'; current = originals.get(current)) {
    const method = methods.get(current);
    if (method !== undefined) return method;
  }
  return undefined;
}

const BRAND: unique symbol = brand('entry reference') as typeof BRAND;

/** The entries of a call, as `entry` returns them. */
export interface EntryReference {
  /** Made by `entry` only. */
  readonly [BRAND]: true;
  /** An instance or a class. */
  readonly service: object;
  readonly method: PropertyKey;
  readonly args: readonly unknown[];
}

/** The methods that return a promise. A key of this type is shown by the compiler as a list of their names. */
type AsyncMethods<T> = {
  [N in keyof T as T[N] extends (...args: never) => Promise<unknown> ? N : never]: T[N];
};

/** What can be referred to by a class, the methods of its instances and its static ones; or by an instance. */
export type ReferredMethods<S> = AsyncMethods<
  S extends abstract new (...args: never) => infer Instance
    ? Instance & Omit<S, keyof Instance | 'prototype'>
    : S
>;

/**
 * Refers to the entry of a call of a method with `@Cached`, or to the entries of a call of one with `@CachedMany`. The key is
 * the one that the method computes for these arguments, so it is written once, and a method that is renamed or whose
 * parameters change is a compile error here.
 *
 * A class stands for its own instances. Default keys have the class of the instance, so refer to a subclass by the
 * subclass, and in a base class by `this`. A key function that reads fields of `this` needs the instance.
 *
 * @param service the class, or an instance
 * @param method the name of a method that returns a promise
 * @param args the arguments of the call
 * @throws OptionsError if `service` is neither an instance nor a class. That the method is cached is checked when the
 * reference is used
 * @example
 * @Invalidates({ entries: (_, user) => [entry(Users, 'find', user.id)] })
 * async save(user: User): Promise<void> { ... }
 */
export function entry<S extends object, N extends keyof ReferredMethods<S>>(
  service: S,
  method: N,
  ...args: MethodArguments<ReferredMethods<S>, N>
): EntryReference {
  if ((typeof service !== 'object' && typeof service !== 'function') || service === null) {
    throw new OptionsError(
      `entry(service, ${describe(method)}) takes a class or an instance, and ${describe(service)} was given.`,
    );
  }
  return { [BRAND]: true, service, method, args };
}

/**
 * The keys that references stand for.
 *
 * @param host the `Caching` that is to be invalidated
 * @param label names the option in errors: `entries of @Invalidates on save`
 * @throws OptionsError for anything but references to cached methods of this `Caching`
 * @throws KeyError, MissingContextError
 */
export function keysOfReferences(
  host: CacheHost,
  references: readonly EntryReference[],
  label: string,
): readonly string[] {
  if (!Array.isArray(references)) {
    throw new OptionsError(
      `${label} are a list, such as [entry(Users, 'find', '42')], and ${describe(references)} was given.`,
    );
  }
  return references.flatMap((reference) => keysOfReference(host, reference, label));
}

function keysOfReference(host: CacheHost, reference: EntryReference, label: string): readonly string[] {
  if (typeof reference !== 'object' || reference === null || !reference[BRAND]) {
    throw new OptionsError(
      `${label} are references, such as entry(Users, 'find', '42'), and ${describe(reference)} was given.`,
    );
  }
  const { service, method: name, args } = reference;
  const { self, method } = resolve(service, name);
  if (method === undefined) {
    throw new OptionsError(
      `${label}: entry(${describe(service)}, ${describe(name)}) refers to a method with @Cached or @CachedMany, and that is ` +
        'no such method, or it was replaced by the decorator of another library. Decorate the method.',
    );
  }
  // guard: reference-is-to-the-caching-that-is-invalidated
  if (cachingOf(host, method, self, self === service) !== host) {
    throw new OptionsError(
      `${label}: calls of ${method.label(self)} use another Caching than the one that is invalidated. Invalidate on that one: ` +
        'give @Invalidates the option cache, or call its caching.cache.invalidate.',
    );
  }
  return method.keysOf(host, self, [...args]);
}

/** Finds the method, and what stands for its instance. */
function resolve(
  service: object,
  name: PropertyKey,
): { readonly self: object; readonly method: KeyedMethod | undefined } {
  const { prototype } = service as { readonly prototype?: unknown };
  if (typeof service === 'function' && typeof prototype === 'object' && prototype !== null) {
    const method = keyedMethodOf(Reflect.get(prototype, name));
    if (method !== undefined) return { self: anyInstance(prototype, name), method };
  }
  const isPrototype = typeof service === 'object' && Object.hasOwn(service, 'constructor');
  return {
    self: isPrototype ? anyInstance(service, name) : service,
    method: keyedMethodOf(Reflect.get(service, name)),
  };
}

/** Stands for an instance that is not at hand: it has the methods of its class, and no fields. */
function anyInstance(prototype: object, method: PropertyKey): object {
  return new Proxy(prototype, {
    get(target, name, receiver): unknown {
      if (Reflect.has(target, name)) return Reflect.get(target, name, receiver);
      // guard: key-that-needs-the-instance-is-refused
      throw new KeyError(
        `The key of ${String(method)} depends on this.${String(name)}, and the reference is to the class. Refer to the ` +
          `instance: entry(users, '${String(method)}', ...).`,
      );
    },
  });
}

/** @param isInstance false: the class or a stand-in is at hand, which is bound to no `Caching` */
function cachingOf(host: CacheHost, method: KeyedMethod, self: object, isInstance: boolean): object {
  if (!isInstance) return method.fixedCachingOf(self) ?? host;
  try {
    return method.cachingOf(self);
  } catch (error) {
    // A method that finds no `Caching` has entries in none: the caller's is as good as another.
    if (error instanceof MissingCachingError) return host;
    throw error;
  }
}
