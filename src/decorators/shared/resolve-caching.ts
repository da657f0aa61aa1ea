import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';
import { Caching, cachingTokens } from '../../core/caching.js';
import { describe } from '../../core/shared/describe.js';
import { MissingCachingError, OptionsError } from '../../core/shared/errors.js';
import { shared } from '../../core/shared/registry.js';

/**
 * A dependency injection container: `get` (NestJS, Inversify, TypeDI) or `resolve` (tsyringe). One that has both is
 * asked by `get`: in NestJS `resolve` makes a promise.
 */
export interface ContainerLike {
  /** The token is the class `Caching`. */
  resolve?(token: typeof Caching): unknown;
  get?(token: typeof Caching): unknown;
  isRegistered?(token: typeof Caching, recursive?: boolean): boolean;
}

interface Resolution {
  /** What `withCaching` sets. */
  readonly scope: AsyncLocalStorage<Caching>;
  /** `withCaching` was used: until then no call pays for it. */
  isScoped: boolean;
  /** By instance, prototype or class. */
  readonly bound: WeakMap<object, Caching>;
  /** What was found for an instance, until a binding or the container changes. */
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
 * Runs `work` with `caching` as the one that decorated methods find, whatever they are bound to: for tests,
 * tenants, requests. Only the `cache` option comes before it.
 *
 * @example
 * await withCaching(testCaching, () => service.find('42'));
 */
export function withCaching<T>(caching: Caching, work: () => T): T {
  check(caching, 'withCaching(caching, work)');
  state.isScoped = true;
  return state.scope.run(caching, work);
}

/**
 * Ties an instance, or all instances of a class, to a `Caching`. Container adapters call it for what they make.
 * @throws OptionsError
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
  // A class or a prototype stands for instances that may have been remembered already.
  if (typeof target === 'function' || Object.hasOwn(target, 'constructor')) state.found = new WeakMap();
}

/** The same for an instance, which it does not touch: it may be a proxy that makes its object when touched. */
export function bindInstance(instance: object, caching: Caching): void {
  state.bound.set(instance, caching);
  state.found.delete(instance);
}

/** True if this very instance or class was bound. */
export function isBound(target: object): boolean {
  return state.bound.has(target);
}

/**
 * The container in which decorated methods look for a `Caching` when their instance has none. Undefined takes
 * it away.
 *
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

/** What a decorator's `cache` option may be. */
export type CachingSource<This> = Caching | ((self: This) => Caching);

/**
 * The `Caching` of one call. First hit wins: the decorator's own; `withCaching`; one bound to the instance or
 * its class; an own field that holds one; the container; the process default. The middle three are remembered
 * for the instance.
 *
 * @throws MissingCachingError: never runs silently uncached
 */
export function resolveCaching(
  self: unknown,
  own: CachingSource<never> | undefined,
  where: () => string,
): Caching {
  if (own !== undefined) return fromOption(self, own, where);
  if (state.isScoped) {
    const here = state.scope.getStore();
    if (here !== undefined) return here;
  }
  const isObject = (typeof self === 'object' && self !== null) || typeof self === 'function';
  if (isObject) {
    const known = state.found.get(self);
    if (known !== undefined) return known;
    const near = fromBinding(self) ?? fromField(self, where) ?? fromContainer(where);
    if (near !== undefined) {
      state.found.set(self, near);
      return near;
    }
  }
  const last = (isObject ? undefined : fromContainer(where)) ?? Caching.getDefault();
  if (last === undefined) throw missing(where());
  return last;
}

/** A `Caching` was checked when the class was defined; what a function returns is checked now. */
function fromOption(self: unknown, own: CachingSource<never>, where: () => string): Caching {
  if (typeof own !== 'function') return own;
  const caching: unknown = own(self as never);
  if (Caching.is(caching)) return caching;
  throw new OptionsError(
    `The cache option of ${where()} is a Caching or a function that returns one, and ${describe(caching)} came.`,
  );
}

function fromBinding(self: object): Caching | undefined {
  for (let at: object | null = self; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const caching = state.bound.get(at);
    if (caching !== undefined) return caching;
  }
  return undefined;
}

function fromField(self: object, where: () => string): Caching | undefined {
  let one: Caching | undefined;
  for (const key of Reflect.ownKeys(self)) {
    const value: unknown = Object.getOwnPropertyDescriptor(self, key)?.value;
    // A container's proxy for something not made yet would make it if it were asked.
    if (types.isProxy(value) || !Caching.is(value) || value === one) continue;
    if (one !== undefined) {
      throw new MissingCachingError(
        `${where()} found two Caching in fields of its instance and cannot choose. Give the decorator ` +
          '{ cache: (self) => self.theOne }.',
      );
    }
    one = value;
  }
  return one;
}

function fromContainer(where: () => string): Caching | undefined {
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
      `${where()} asked the container of useContainer for Caching, and it threw. Register one: ` +
        'container.registerInstance(Caching, new Caching({ ... })).',
      failure,
    );
  }
  throw new MissingCachingError(
    `${where()} asked the container of useContainer for Caching, and it gave ${describe(caching)}. Give useContainer ` +
      'what returns one: useContainer({ get: () => caching }).',
  );
}

function missing(where: string): MissingCachingError {
  return new MissingCachingError(
    `${where} found no Caching to run on. Give it one, in the way that fits:\n` +
      '  container.registerInstance(Caching, caching); useContainer(container);   a DI container\n' +
      "  registerCaching(container, caching)       from 'cachement/tsyringe', for several containers\n" +
      '  constructor(private readonly caching: Caching)   injected: any own field that holds one\n' +
      '  bindCaching(instance, caching)            by hand, an instance or a class\n' +
      '  withCaching(caching, () => ...)           tests, tenants, requests\n' +
      '  { cache: caching } on the decorator, or decorators from createDecorators(caching)\n' +
      '  Caching.setDefault(caching)               one for the whole process',
  );
}

function check(caching: unknown, where: string): void {
  if (!Caching.is(caching)) {
    throw new OptionsError(`${where} takes a Caching, and ${describe(caching)} was given.`);
  }
}

/** What a decorated method computes once for each `Caching` that it meets; nearly always there is one. */
export function perCaching<Value extends object>(
  compute: (caching: Caching) => Value,
): (caching: Caching) => Value {
  const values = new WeakMap<Caching, Value>();
  let latest: Caching | undefined;
  let value: Value;
  return (caching) => {
    if (caching === latest) return value;
    const known = values.get(caching) ?? compute(caching);
    values.set(caching, known);
    latest = caching;
    return (value = known);
  };
}
