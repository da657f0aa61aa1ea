import { types } from 'node:util';
import type { DependencyContainer, InjectionToken } from 'tsyringe';
import { Caching } from '../../core/caching.js';
import { shared } from '../../core/shared/registry.js';
import { bindInstance, isBound } from '../../decorators/shared/resolve-caching.js';

const watched = shared('tsyringe', () => new WeakSet<DependencyContainer>());

/**
 * Registers `caching` under the token `Caching`, and ties every instance that this container makes, or one of
 * its child containers, to the `Caching` registered nearest to the container that made it. So containers side
 * by side, child containers and request containers each have their own; an instance keeps the first it was
 * given, as it keeps what its constructor was given.
 *
 * (tsyringe tells of a resolution only token by token, so `resolve`, `resolveAll` and `createChildContainer` of
 * this one container object are wrapped. Its class, and other containers, stay as they are.)
 *
 * @example
 * registerCaching(container, new Caching({ adapter: ioredis('redis://localhost:6379'), namespace: 'shop' }));
 * const users = container.resolve(Users);
 */
export function registerCaching(container: DependencyContainer, caching: Caching): void {
  container.registerInstance(Caching, caching);
  watch(container);
}

function watch(container: DependencyContainer): void {
  if (watched.has(container)) return;
  watched.add(container);
  const resolve = container.resolve.bind(container);
  const resolveAll = container.resolveAll.bind(container);
  const createChildContainer = container.createChildContainer.bind(container);
  const bind = (made: unknown): void => {
    if (typeof made !== 'object' || made === null || isBound(made)) return;
    // What delay() gives makes its object when it is touched, which is too soon here.
    if (!types.isProxy(made) && Caching.is(made)) return;
    // After reset() or clearInstances() there is none, and tsyringe would try to construct one.
    if (container.isRegistered(Caching, true)) bindInstance(made, resolve(Caching));
  };
  // The container calls these with more arguments than its types tell: a context, and whether it is optional.
  container.resolve = <T>(token: InjectionToken<T>, ...rest: unknown[]): T => {
    const made = resolve(token, ...(rest as []));
    bind(made);
    return made;
  };
  container.resolveAll = <T>(token: InjectionToken<T>, ...rest: unknown[]): T[] => {
    const made = resolveAll(token, ...(rest as []));
    made.forEach(bind);
    return made;
  };
  container.createChildContainer = () => {
    const child = createChildContainer();
    watch(child);
    return child;
  };
}
