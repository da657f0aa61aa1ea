import type { AwilixContainer, Resolver } from 'awilix';
import type { Caching } from '../../core/caching.js';
import { shared } from '../../core/shared/registry.js';
import { bindResolved } from '../../decorators/shared/bind-resolved.js';

type Name = string | symbol;

/** The containers whose methods are wrapped, by any copy of this package. */
const watched = shared('awilix', () => new WeakSet<AwilixContainer>());
/** The resolvers that bind what they make. */
const binding = shared('awilix-resolvers', () => new WeakSet<Resolver<unknown>>());

/**
 * Registers `caching` under a name of the cradle, and binds every instance that the container or one of its scopes
 * makes. An instance is bound to the `Caching` registered in the scope that made it, or in its nearest parent. So scopes
 * can each have their own. An instance keeps its first `Caching`, as it keeps its constructor arguments. This works in
 * every injection mode. Call it for the root container first.
 *
 * (Awilix does not report what it makes, so resolvers are registered as copies that do, and `register`, `build` and
 * `createScope` of this container object are wrapped. Other containers are not changed.)
 *
 * @param name the name in the cradle, also in scopes. Default: `caching`
 * @example
 * registerCaching(container, new Caching({ adapter: ioredis('redis://localhost:6379'), namespace: 'shop' }));
 * const { users } = container.cradle;
 */
export function registerCaching(
  container: AwilixContainer<object>,
  caching: Caching,
  name: Name = 'caching',
): void {
  if (!watched.has(container)) {
    const { registrations } = container;
    watch(container, name);
    for (const key of Reflect.ownKeys(registrations)) registerAgain(container, key, registrations[key]!);
  }
  // As asValue() has it.
  container.register(name, { resolve: () => caching, isLeakSafe: true });
}

/** What was registered before. */
function registerAgain(container: AwilixContainer, name: Name, resolver: Resolver<unknown>): void {
  // A parent has it, and is watched.
  if (binding.has(resolver)) return;
  try {
    container.register(name, resolver);
  } catch (error) {
    // A strict scope takes no singletons: the root makes them, and its Caching is not known here.
    if (resolver.lifetime !== 'SINGLETON') throw error;
  }
}

function watch(container: AwilixContainer, name: Name): void {
  watched.add(container);
  const find = (maker: AwilixContainer): unknown =>
    maker.hasRegistration(name) ? maker.resolve(name) : undefined;
  const withBinding = (resolver: Resolver<unknown>): Resolver<unknown> => {
    if (binding.has(resolver)) return resolver;
    const copy: Resolver<unknown> = {
      ...resolver,
      resolve: (maker) => {
        const made = resolver.resolve(maker);
        bindResolved(made, () => find(maker));
        return made;
      },
    };
    binding.add(copy);
    return copy;
  };
  const { register, build, createScope } = container;
  const registerAll = (resolvers: Readonly<Record<Name, Resolver<unknown>>>) => {
    for (const key of Reflect.ownKeys(resolvers)) register(key, withBinding(resolvers[key]!));
  };
  Object.assign(container, {
    register(names: Name | Readonly<Record<Name, Resolver<unknown>>>, resolver: Resolver<unknown>) {
      registerAll(typeof names === 'object' ? names : { [names]: resolver });
      return container;
    },
    build(...args: Parameters<AwilixContainer['build']>) {
      const made: unknown = build(...args);
      bindResolved(made, () => find(container));
      return made;
    },
    createScope() {
      const scope = createScope();
      watch(scope, name);
      return scope;
    },
  });
}
