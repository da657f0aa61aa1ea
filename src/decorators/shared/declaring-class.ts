export type Constructor = abstract new (...args: never) => unknown;

/** Which class declares a decorated method. */
export interface DeclaringClass {
  /**
   * @param self the instance, or for a static method the class, on which it is called; without it: as far as is known
   * @returns undefined if the class cannot be found
   */
  of(self?: object): Constructor | undefined;
}

/** Legacy decorators receive the class. */
export function knownClass(owner: Constructor): DeclaringClass {
  return { of: () => owner };
}

/**
 * Standard decorators do not receive the class, so it is found by looking for the method on the prototype chain. Private
 * methods, and methods wrapped by the decorator of another library, cannot be found this way.
 */
export class DiscoveredClass implements DeclaringClass {
  readonly #isDefinedOn: (holder: object) => boolean;
  #found: Constructor | undefined;
  #latestPrototype: object | undefined;

  constructor(isDefinedOn: (holder: object) => boolean) {
    this.#isDefinedOn = isDefinedOn;
  }

  /** For the initializer of a static method. */
  setClass(owner: Constructor): void {
    this.#found = owner;
  }

  /** For the initializer of a method: `instance` is being constructed. */
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
    for (let at: object | null = self; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      const holder: unknown =
        typeof at === 'function' ? at : Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
      if (typeof holder === 'function' && this.#isDefinedOn(at)) return holder as unknown as Constructor;
    }
    return undefined;
  }
}
