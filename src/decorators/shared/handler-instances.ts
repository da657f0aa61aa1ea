import { Caching } from '../../core/caching.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import { shared } from '../../core/shared/registry.js';
import type { HandlerMethod, HandlerMethods } from './handler-methods.js';
import type { InstanceWork } from './made-instances.js';

/** How the handlers of an instance begin and end their work. */
export interface HandlerWork<Source, Options, Work> {
  /** The call that begins it for any instance: `startWorkers(caching, instance)`. */
  readonly call: string;
  /** @param ended is called when the work ends: after that, it can begin again */
  begin(
    caching: Caching,
    instance: object,
    handlers: readonly HandlerMethod<Source, Options>[],
    ended: () => void,
  ): Work;
  end(work: Work): Promise<void>;
  /** False: containers do not begin it. */
  isBegunByContainers(caching: Caching): boolean;
  /** Warns that a container has made a second instance of a class, which gets nothing. */
  warnOfSecond(caching: Caching, className: string): void;
}

/** By `Caching` and object. */
type ByCaching<T> = WeakMap<Caching, WeakMap<object, T>>;

/** The instances whose handlers work: each once for a `Caching`, and of those that a container makes, one of each class. */
export class HandlerInstances<Source, Options, Work extends object> {
  readonly #methods: HandlerMethods<Source, Options>;
  readonly #work: HandlerWork<Source, Options, Work>;
  readonly #begun: ByCaching<Work>;
  /** The instance of a class for which a container has begun the work. */
  readonly #first: ByCaching<object>;

  constructor(methods: HandlerMethods<Source, Options>, work: HandlerWork<Source, Options, Work>) {
    this.#methods = methods;
    this.#work = work;
    this.#begun = shared(`instances of ${methods.decorator}`, () => new WeakMap());
    this.#first = shared(`classes of ${methods.decorator}`, () => new WeakMap());
  }

  /**
   * Begins the work of an instance. Again for the same instance and `Caching`, it returns what it returned before, until that has
   * ended.
   *
   * @throws OptionsError for anything but a `Caching` and an instance with handlers
   */
  begin(caching: Caching, instance: object): Work {
    const { call } = this.#work;
    if (!Caching.is(caching)) {
      throw new OptionsError(`${call} takes a Caching, and ${describe(caching)} was given.`);
    }
    const isObject = typeof instance === 'object' && instance !== null;
    const handlers = isObject ? this.#methods.of(instance) : [];
    if (handlers.length === 0) {
      throw new OptionsError(
        `${call} takes an instance with a method that has ${this.#methods.decorator}, and ${describe(instance)} was given.`,
      );
    }
    return this.#begin(caching, instance, handlers);
  }

  /**
   * Begins the work of an instance that a container has made, unless it has made another one of the class: what a transient
   * service does must not be done as often as it is resolved.
   */
  made(instance: object, caching: Caching): InstanceWork | undefined {
    const handlers = this.#methods.of(instance);
    if (handlers.length === 0 || !this.#work.isBegunByContainers(caching)) return undefined;
    const firsts = of(this.#first, caching);
    const owner = instance.constructor;
    const first = firsts.get(owner);
    // guard: one-instance-of-a-class-works
    if (first !== undefined && first !== instance) {
      this.#work.warnOfSecond(caching, owner.name);
      return undefined;
    }
    const work = this.#begin(caching, instance, handlers);
    firsts.set(owner, instance);
    return {
      end: async () => {
        firsts.delete(owner);
        await this.#work.end(work);
      },
    };
  }

  #begin(caching: Caching, instance: object, handlers: readonly HandlerMethod<Source, Options>[]): Work {
    const begun = of(this.#begun, caching);
    const known = begun.get(instance);
    // guard: instance-works-once
    if (known !== undefined) return known;
    const work = this.#work.begin(caching, instance, handlers, () => begun.delete(instance));
    begun.set(instance, work);
    return work;
  }
}

function of<T>(map: ByCaching<T>, caching: Caching): WeakMap<object, T> {
  const known = map.get(caching);
  if (known !== undefined) return known;
  const created = new WeakMap<object, T>();
  map.set(caching, created);
  return created;
}
