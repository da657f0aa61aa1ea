import { hasDecoratedMethods } from '../../decorators/shared/around.js';
import type { NestModule } from './module-runtimes.js';

/** A provider, controller, guard, ... as Nest keeps it. */
type Wrapper = NestModule['providers'] extends Map<unknown, infer W> ? W : never;
type Constructor = new (...args: unknown[]) => object;
type Factory = (...args: unknown[]) => unknown;

/** Receives each instance right after it was made. `isCopied`: Nest copies its properties into another object. */
export type Made = (instance: unknown, isCopied: boolean) => void;

/**
 * Reports every instance of a module's providers, controllers and enhancers: those that exist, and those that Nest will
 * make, in every scope.
 *
 * Nest makes an instance by `new wrapper.metatype(...)`, and reports it to nobody. So `metatype` becomes a proxy that
 * reports what it constructs: of a singleton until it is made, of other scopes only if the class has decorated methods. A
 * class may be provided by several modules and applications, and each has wrappers of its own, so the class itself does
 * not change.
 */
export function watchProviders(module: NestModule, watched: WeakSet<object>, made: Made): void {
  const groups = [module.providers, module.controllers, module.injectables, module.middlewares];
  const wrappers = groups.flatMap((group) => [...group.values()] as Wrapper[]);
  // For each request, the guards, interceptors and pipes of a controller are made from wrappers that only it has.
  const enhancers = wrappers.flatMap((wrapper) => wrapper.getEnhancersMetadata() ?? []);
  for (const wrapper of [...wrappers, ...enhancers]) {
    if (wrapper.isAlias) continue;
    // Before it is constructed, this is an object that Nest fills later, if it is part of a circular dependency.
    made(wrapper.instance, false);
    for (const host of wrapper.getStaticTransientInstances()) made(host?.instance, false);
    if (watched.has(wrapper)) continue;
    watched.add(wrapper);
    if (wrapper.isFactory) wrapper.metatype = reporting(wrapper.metatype as Factory, made);
    else if (isDecorated(wrapper.metatype)) wrapper.metatype = constructing(wrapper, made);
  }
}

/** The instances of a module's providers and controllers that live as long as the application. */
export function singletonsOf(module: NestModule): readonly object[] {
  const wrappers = [...module.providers.values(), ...module.controllers.values()] as Wrapper[];
  return wrappers
    .filter((wrapper) => !wrapper.isAlias && !wrapper.isTransient && wrapper.isDependencyTreeStatic())
    .map((wrapper): unknown => wrapper.instance)
    .filter((instance) => typeof instance === 'object' && instance !== null);
}

function isDecorated(metatype: Wrapper['metatype']): boolean {
  return typeof metatype === 'function' && hasDecoratedMethods(metatype as Constructor);
}

function constructing(wrapper: Wrapper, made: Made): Constructor {
  const original = wrapper.metatype as Constructor;
  const proxy: Constructor = new Proxy(original, {
    construct(_target, args: unknown[], newTarget): object {
      const instance = Reflect.construct(
        original,
        args,
        newTarget === proxy ? original : newTarget,
      ) as object;
      made(instance, wrapper.forwardRef === true);
      if (!wrapper.isTransient && wrapper.isDependencyTreeStatic()) wrapper.metatype = original;
      return instance;
    },
    // reflect-metadata finds what the class has by the prototype chain, because the proxy is another object.
    getPrototypeOf: () => original,
  });
  return proxy;
}

function reporting(factory: Factory, made: Made): Factory {
  const report = (product: unknown): unknown => {
    made(product, false);
    return product;
  };
  return (...args) => {
    const product = factory(...args);
    return product instanceof Promise ? product.then(report) : report(product);
  };
}
