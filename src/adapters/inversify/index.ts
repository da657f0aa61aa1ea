import { Caching } from '../../core/caching.js';
import { OptionsError } from '../../core/shared/errors.js';
import { shared } from '../../core/shared/registry.js';
import { bindResolved } from '../../decorators/shared/bind-resolved.js';

/** What this adapter calls of a `Container` of InversifyJS. That class is another type in each major version. */
export interface InversifyContainer {
  bind(id: typeof Caching): { toConstantValue(value: Caching): unknown };
  isCurrentBound(id: typeof Caching): boolean;
  /** Synchronous in version 8. In version 7 this is `unbindSync`. */
  unbind(id: typeof Caching): unknown;
  unbindSync?(id: typeof Caching): void;
  register(plugin: new (container: never, context: never) => object): void;
  restore(): void;
}

interface ResolutionContext {
  get(id: typeof Caching): unknown;
}

type Activation = (context: ResolutionContext, instance: unknown) => unknown;

/** What InversifyJS gives to a plugin: the container's own parts. */
interface PluginContext {
  /** Another object after `restore()`. */
  readonly activationService: { get(id: unknown): Iterable<Activation> | undefined };
  readonly planResultCacheService: { clearCache(): void };
}

/** The containers that activate instances by `bindActivated`, by any copy of this package. */
const watched = shared('inversify', () => new WeakSet<object>());

/** The mark of a plugin, as `@inversifyjs/plugin` defines it. */
const isPlugin = Symbol.for('@inversifyjs/plugin/isPlugin');

/**
 * Binds `Caching` to `caching`, and every instance that the container or one of its child containers activates to the
 * `Caching` of the container that resolved it, or of its nearest parent. So sibling, child and request containers can
 * each have their own. An instance keeps its first `Caching`, as it keeps its constructor arguments.
 *
 * (InversifyJS has handlers of activations for one identifier each. A plugin of this container adds one for all. Its
 * class and other containers are not changed.)
 *
 * @param container a `Container` of InversifyJS 7.11 or later, or 8
 * @throws OptionsError if the container takes no plugins
 * @example
 * registerCaching(container, new Caching({ adapter: ioredis('redis://localhost:6379'), namespace: 'shop' }));
 * const users = container.get(Users);
 */
export function registerCaching(container: InversifyContainer, caching: Caching): void {
  if (typeof container.register !== 'function') {
    throw new OptionsError('registerCaching takes a Container of InversifyJS 7.11 or later.');
  }
  if (container.isCurrentBound(Caching)) (container.unbindSync ?? container.unbind).call(container, Caching);
  container.bind(Caching).toConstantValue(caching);
  if (watched.has(container)) return;
  watched.add(container);
  watch(container);
}

function watch(container: InversifyContainer): void {
  class CachingPlugin {
    readonly [isPlugin] = true;
    readonly #context: PluginContext;

    constructor(_container: unknown, context: PluginContext) {
      this.#context = context;
    }

    load(): void {
      this.#addActivation();
      const restore = container.restore.bind(container);
      container.restore = () => {
        restore();
        this.#addActivation();
      };
    }

    #addActivation(): void {
      const { activationService, planResultCacheService } = this.#context;
      const get = activationService.get.bind(activationService);
      activationService.get = (id) => [...(get(id) ?? []), bindActivated];
      // A plan notes whether there are activations.
      planResultCacheService.clearCache();
    }
  }
  container.register(CachingPlugin);
}

const bindActivated: Activation = (context, instance) => {
  bindResolved(instance, () => {
    try {
      return context.get(Caching);
    } catch {
      // There is none. A container with `autobind` has tried to construct one.
      return undefined;
    }
  });
  return instance;
};
