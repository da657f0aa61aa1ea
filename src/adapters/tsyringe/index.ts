import type { DependencyContainer, InjectionToken } from 'tsyringe';
import { Caching } from '../../core/caching.js';
import { shared } from '../../core/shared/registry.js';
import { bindResolved } from '../../decorators/shared/bind-resolved.js';

/** The containers whose methods are wrapped, by any copy of this package. */
const watched = shared('tsyringe', () => new WeakSet<DependencyContainer>());

/**
 * Registers `caching` under the token `Caching`, and binds every instance that the container or one of its child
 * containers resolves. An instance is bound to the `Caching` registered in the container that resolved it, or in its
 * nearest parent. So sibling, child and request containers can each have their own. An instance keeps its first
 * `Caching`, as it keeps its constructor arguments.
 *
 * (tsyringe reports resolutions only by token, so `resolve`, `resolveAll` and `createChildContainer` of this container
 * object are wrapped. Its class and other containers are not changed.)
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
  // After reset() or clearInstances() no Caching is registered, and tsyringe would try to construct one.
  const find = () => (container.isRegistered(Caching, true) ? resolve(Caching) : undefined);
  // tsyringe calls these with arguments that its types do not have: a context, and whether the token is optional.
  container.resolve = <T>(token: InjectionToken<T>, ...rest: unknown[]): T => {
    const resolved = resolve(token, ...(rest as []));
    bindResolved(resolved, find);
    return resolved;
  };
  container.resolveAll = <T>(token: InjectionToken<T>, ...rest: unknown[]): T[] => {
    const resolved = resolveAll(token, ...(rest as []));
    for (const one of resolved) bindResolved(one, find);
    return resolved;
  };
  container.createChildContainer = () => {
    const child = createChildContainer();
    watch(child);
    return child;
  };
}
