import type { ContainerInstance, ServiceIdentifier } from 'typedi';
import { Caching } from '../../core/caching.js';
import { shared } from '../../core/shared/registry.js';
import { bindResolved } from '../../decorators/shared/bind-resolved.js';

/** The containers whose methods are wrapped, by any copy of this package. */
const watched = shared('typedi', () => new WeakSet<ContainerInstance>());

/**
 * Registers `caching` under the token `Caching`, and binds every instance that this container resolves. An instance
 * keeps its first `Caching`, as it keeps its constructor arguments.
 *
 * Containers of TypeDI have no parents: call it for each `Container.of(id)`, with the same `Caching` or another one.
 *
 * (TypeDI does not report what it resolves, so `get` and `getMany` of this container object are wrapped. Its class and
 * other containers are not changed.)
 *
 * @param container `Container.of()`, the default one, or `Container.of(id)`
 * @example
 * registerCaching(Container.of(), new Caching({ adapter: ioredis('redis://localhost:6379'), namespace: 'shop' }));
 * const users = Container.get(Users);
 */
export function registerCaching(container: ContainerInstance, caching: Caching): void {
  // Other containers copy a service from the default one without its value. They would construct a Caching.
  container.set({ id: Caching, factory: () => caching });
  if (watched.has(container)) return;
  watched.add(container);
  const get = container.get.bind(container) as (id: ServiceIdentifier) => unknown;
  const getMany = container.getMany.bind(container) as (id: ServiceIdentifier) => unknown[];
  const find = () => (container.has(Caching) ? get(Caching) : undefined);
  Object.assign(container, {
    get(id: ServiceIdentifier) {
      const resolved = get(id);
      bindResolved(resolved, find);
      return resolved;
    },
    getMany(id: ServiceIdentifier) {
      const resolved = getMany(id);
      for (const one of resolved) bindResolved(one, find);
      return resolved;
    },
  });
}
