import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';
import { Caching, cachingTokens } from '../../core/caching.js';
import { describe } from '../../core/shared/describe.js';
import { MissingCachingError, OptionsError } from '../../core/shared/errors.js';
import { shared } from '../../core/shared/registry.js';
import type { NameForErrors } from './around.js';
import { instanceMade } from './made-instances.js';

/**
 * A dependency injection container with `get` (NestJS, Inversify, TypeDI) or `resolve` (tsyringe). The token is the
 * class `Caching`. If it has both methods, `get` is called, because `resolve` of NestJS returns a promise.
 */
export interface ContainerLike {
  resolve?(token: typeof Caching): unknown;
  get?(token: typeof Caching): unknown;
  isRegistered?(token: typeof Caching, recursive?: boolean): boolean;
}

interface Resolution {
  /** The `Caching` of `withCaching`. */
  readonly scope: AsyncLocalStorage<Caching>;
  /** True once `withCaching` has been used. Until then calls skip the lookup in `scope`. */
  isScoped: boolean;
  /** The bindings of `bindCaching`, by instance, prototype or class. */
  readonly bound: WeakMap<object, Caching>;
  /** Cached results by instance. Cleared when a class is bound or the container changes. */
  found: WeakMap<object, Caching>;
  container: ContainerLike | undefined;
}

const state = shared('resolution', (): Resolution => ({
  scope: new AsyncLocalStorage(),
  isScoped: false,
  bound: new WeakMap(),
  found: new WeakMap(),
  container: undefined,
}));

/**
 * Runs `work`, and uses `caching` for every decorated method that is called in it, also after an await. For tests,
 * tenants and requests. Only the `cache` option of a decorator takes precedence.
 *
 * @returns what `work` returns
 * @throws OptionsError if `caching` is not a `Caching`; and what `work` throws
 * @example
 * await withCaching(testCaching, () => service.find('42'));
 */
export function withCaching<T>(caching: Caching, work: () => T): T {
  check(caching, 'withCaching(caching, work)');
  state.isScoped = true;
  return state.scope.run(caching, work);
}

/**
 * Binds an instance, or a class with all its instances, to a `Caching`. A binding of the instance takes precedence over
 * one of its class.
 *
 * @param target an instance or a class
 * @throws OptionsError
 * @example
 * bindCaching(service, caching);
 */
export function bindCaching(target: object, caching: Caching): void {
  check(caching, 'bindCaching(target, caching)');
  if ((typeof target !== 'object' && typeof target !== 'function') || target === null) {
    throw new OptionsError(`bindCaching takes an instance or a class, and ${String(target)} was given.`);
  }
  bindInstance(target, caching);
  if (typeof target === 'function') {
    const { prototype } = target as { prototype?: object };
    if (prototype !== undefined) state.bound.set(prototype, caching);
  }
  // The binding of a class or a prototype changes the result for its instances, which may be in `found`.
  if (typeof target === 'function' || Object.hasOwn(target, 'constructor')) state.found = new WeakMap();
  else instanceMade(target, caching);
}

/**
 * Binds an instance without reading its properties: it may be a proxy that constructs its object at the first access.
 */
export function bindInstance(instance: object, caching: Caching): void {
  state.bound.set(instance, caching);
  state.found.delete(instance);
}

/** True if this object itself is bound, and not only its class. */
export function isBound(target: object): boolean {
  return state.bound.has(target);
}

/**
 * Sets the container in which decorated methods look up `Caching` if neither their instance nor its class is bound to
 * one, and no own field holds one. There is one such container for the process; undefined removes it.
 *
 * @throws OptionsError if the container has neither `get` nor `resolve`
 * @example
 * container.registerInstance(Caching, caching);
 * useContainer(container);
 */
export function useContainer(next: ContainerLike | undefined): void {
  if (next !== undefined && typeof next?.resolve !== 'function' && typeof next?.get !== 'function') {
    throw new OptionsError('useContainer takes a container with a method resolve(token) or get(token).');
  }
  state.container = next;
  state.found = new WeakMap();
}

/** The `cache` option of a decorator: a `Caching`, or a function of the instance that returns one. */
export type CachingSource<This> = Caching | ((self: This) => Caching);

/**
 * Finds the `Caching` of one call. The first one found is used: the `cache` option; `withCaching`; a binding of the
 * instance or its class; an own field that holds one; the container; the process default. A result of the binding, the
 * field or the container is cached for the instance.
 *
 * @param self the instance, or the class for a static method
 * @param source the `cache` option of the decorator
 * @param name names the method in errors
 * @throws MissingCachingError if there is none: a method never runs silently uncached
 * @throws OptionsError if the function of the `cache` option does not return a `Caching`
 */
export function resolveCaching(
  self: unknown,
  source: CachingSource<never> | undefined,
  name: NameForErrors,
): Caching {
  if (source !== undefined) return fromOption(self, source, name);
  if (state.isScoped) {
    const scoped = state.scope.getStore();
    if (scoped !== undefined) return scoped;
  }
  const isObject = (typeof self === 'object' && self !== null) || typeof self === 'function';
  if (isObject) {
    const known = state.found.get(self);
    if (known !== undefined) return known;
    const found = fromBinding(self) ?? fromField(self, name) ?? fromContainer(self, name);
    if (found !== undefined) {
      state.found.set(self, found);
      return found;
    }
  }
  const fallback = (isObject ? undefined : fromContainer(self, name)) ?? Caching.getDefault();
  if (fallback === undefined) throw missing(name.forErrors(self));
  return fallback;
}

/** The `Caching` of a `cache` option; undefined if a function or the instance decides. */
export function fixedCaching(source: CachingSource<never> | undefined): Caching | undefined {
  return typeof source === 'function' ? undefined : source;
}

/** A `Caching` is checked when the class is defined; the result of a function is checked here. */
function fromOption(self: unknown, source: CachingSource<never>, name: NameForErrors): Caching {
  if (typeof source !== 'function') return source;
  const caching: unknown = source(self as never);
  if (Caching.is(caching)) return caching;
  throw new OptionsError(
    `The cache option of ${name.forErrors(self)} is a function that returns a Caching, and it returned ${describe(caching)}.`,
  );
}

function fromBinding(self: object): Caching | undefined {
  let current: object | null = self;
  while (current !== null) {
    const caching = state.bound.get(current);
    if (caching !== undefined) return caching;
    current = Object.getPrototypeOf(current) as object | null;
  }
  return undefined;
}

function fromField(self: object, name: NameForErrors): Caching | undefined {
  let found: Caching | undefined;
  for (const key of Reflect.ownKeys(self)) {
    const value: unknown = Object.getOwnPropertyDescriptor(self, key)?.value;
    // Proxies are skipped: that of a container constructs its object at the first access.
    if (types.isProxy(value) || !Caching.is(value) || value === found) continue;
    if (found !== undefined) {
      throw new MissingCachingError(
        `${name.forErrors(self)} found two different Caching in the fields of its instance. Choose one of them: give the decorator ` +
          '{ cache: (self) => self.caching }.',
      );
    }
    found = value;
  }
  return found;
}

function fromContainer(self: unknown, name: NameForErrors): Caching | undefined {
  const { container } = state;
  if (container === undefined) return undefined;
  const tokens = cachingTokens().filter((token) => container.isRegistered?.(token, true) !== false);
  let caching: unknown;
  let failure: { readonly cause: unknown } | undefined;
  for (const token of tokens) {
    try {
      caching = container.get === undefined ? container.resolve?.(token) : container.get(token);
    } catch (cause) {
      failure ??= { cause };
    }
    if (caching !== undefined && caching !== null) break;
  }
  if (Caching.is(caching)) return caching;
  if (caching === undefined || caching === null) {
    if (failure === undefined) return undefined;
    throw new MissingCachingError(
      `${name.forErrors(self)} looked up Caching in the container of useContainer, and the container threw. Register one: ` +
        'container.registerInstance(Caching, new Caching({ ... })).',
      failure,
    );
  }
  throw new MissingCachingError(
    `${name.forErrors(self)} looked up Caching in the container of useContainer, and the container returned ${describe(caching)}. Give ` +
      'useContainer a container that returns a Caching: useContainer({ get: () => caching }).',
  );
}

function missing(label: string): MissingCachingError {
  return new MissingCachingError(
    `${label} found no Caching to run on. Give it one in one of these ways:\n` +
      '  container.registerInstance(Caching, caching); useContainer(container);   a DI container\n' +
      "  registerCaching(container, caching)       from 'cachement/tsyringe', /inversify, /awilix, /typedi\n" +
      '  constructor(private readonly caching: Caching)   injected: an own field that holds one\n' +
      '  bindCaching(instance, caching)            by hand: an instance or a class\n' +
      '  withCaching(caching, () => ...)           tests, tenants, requests\n' +
      '  { cache: caching } on the decorator, or decorators from createDecorators(caching)\n' +
      '  Caching.setDefault(caching)               one for the whole process',
  );
}

function check(caching: unknown, label: string): void {
  if (!Caching.is(caching)) {
    throw new OptionsError(`${label} takes a Caching, and ${describe(caching)} was given.`);
  }
}

/**
 * Caches what a decorated method computes from its `Caching`. The latest one is compared first, because most methods
 * only ever use one.
 */
export function perCaching<Value extends object, Host extends object = Caching>(
  compute: (caching: Host) => Value,
): (caching: Host) => Value {
  const values = new WeakMap<Host, Value>();
  let latest: Host | undefined;
  let value: Value;
  return (caching) => {
    if (caching === latest) return value;
    const known = values.get(caching) ?? compute(caching);
    values.set(caching, known);
    latest = caching;
    return (value = known);
  };
}
