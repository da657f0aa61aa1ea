export type Constructor = abstract new (...args: never) => unknown;

/** Finds the class that declares a decorated method. */
export interface DeclaringClass {
  /**
   * @param self the instance on which the method is called, or the class for a static method; without it, the class
   * found so far is returned
   * @returns undefined if the class is not found
   */
  of(self?: object): Constructor | undefined;
}

/** For legacy decorators, which receive the class. */
export function knownClass(owner: Constructor): DeclaringClass {
  return { of: () => owner };
}

/**
 * Standard decorators do not receive the class, so it is found by looking for the method on the prototype chain.
 * Private methods, and methods wrapped by the decorator of another library, cannot be found this way.
 */
export class DiscoveredClass implements DeclaringClass {
  readonly #isDefinedOn: (object: object) => boolean;
  #found: Constructor | undefined;
  #latestPrototype: object | undefined;

  /**
   * @param isDefinedOn whether a prototype, or a class for a static method, has the decorated method as an own property
   */
  constructor(isDefinedOn: (object: object) => boolean) {
    this.#isDefinedOn = isDefinedOn;
  }

  /** Called by the initializer of a static method. */
  setClass(owner: Constructor): void {
    this.#found = owner;
  }

  /** Called by the initializer of an instance method, while `instance` is constructed. */
  observeInstance(instance: object): void {
    const prototype = Object.getPrototypeOf(instance) as object | null;
    if (prototype === null || prototype === this.#latestPrototype) return;
    this.#latestPrototype = prototype;
    this.#found ??= this.#search(instance);
  }

  of(self?: object): Constructor | undefined {
    if (self === undefined || (typeof self === 'function' && this.#found !== undefined)) return this.#found;
    const found = this.#search(self);
    this.#found ??= found;
    return found;
  }

  #search(self: object): Constructor | undefined {
    let current: object | null = self;
    while (current !== null) {
      const constructor: unknown =
        typeof current === 'function'
          ? current
          : Object.getOwnPropertyDescriptor(current, 'constructor')?.value;
      if (typeof constructor === 'function' && this.#isDefinedOn(current)) {
        return constructor as unknown as Constructor;
      }
      current = Object.getPrototypeOf(current) as object | null;
    }
    return undefined;
  }
}

/** The class of the instance on which a method is called, or the class that declares the method if there is none. */
export function classOfCall(
  method: { readonly static: boolean; readonly owner: DeclaringClass },
  self: unknown,
): Constructor | undefined {
  const constructor = method.static
    ? self
    : typeof self === 'object' && self !== null
      ? self.constructor
      : undefined;
  return typeof constructor === 'function' ? (constructor as Constructor) : method.owner.of();
}
