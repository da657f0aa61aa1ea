export type Constructor = abstract new (...args: never) => unknown;

/** Which class a decorated method belongs to, as seen from an instance (or, for static methods, from a class). */
export interface DeclaringClass {
  /** The class that declares it; undefined where that cannot be told. Without `self`: as far as it is known. */
  of(self?: object): Constructor | undefined;
  /** How many decorated methods override it on `self`; undefined where that cannot be told. */
  overrides(self: object): number | undefined;
}

/** Legacy decorators are told. */
export function toldClass(owner: Constructor): DeclaringClass {
  return { of: () => owner, overrides: () => undefined };
}

/**
 * For each prototype that instances were made of: its decorated methods by name, base class first, as
 * constructors run in that order.
 */
const met = new WeakMap<object, Map<string | symbol, object[]>>();

/**
 * Standard decorators are told nothing, so the class is where the method stands. A method that another
 * library's decorator covers, or a private one, stands nowhere to be seen: of those only the order is known in
 * which the classes of an instance declare them.
 */
export class SoughtClass implements DeclaringClass {
  readonly #name: string | symbol;
  readonly #standsOn: (holder: object) => boolean;
  #first: Constructor | undefined;
  #latest: object | undefined;

  constructor(name: string | symbol, standsOn: (holder: object) => boolean) {
    this.#name = name;
    this.#standsOn = standsOn;
  }

  /** For the static method's initializer. */
  tell(owner: Constructor): void {
    this.#first = owner;
  }

  /** For the method's initializer: `instance` is being made. */
  meet(instance: object): void {
    const prototype = Object.getPrototypeOf(instance) as object | null;
    if (prototype === null || prototype === this.#latest) return;
    this.#latest = prototype;
    this.#first ??= this.#search(instance);
    let methods = met.get(prototype);
    if (methods === undefined) met.set(prototype, (methods = new Map<string | symbol, object[]>()));
    const namesakes = methods.get(this.#name);
    if (namesakes === undefined) methods.set(this.#name, [this]);
    else if (!namesakes.includes(this)) namesakes.push(this);
  }

  of(self?: object): Constructor | undefined {
    if (self === undefined || (typeof self === 'function' && this.#first !== undefined)) return this.#first;
    const found = this.#search(self);
    this.#first ??= found;
    return found;
  }

  overrides(self: object): number | undefined {
    const prototype = Object.getPrototypeOf(self) as object | null;
    const namesakes = (prototype === null ? undefined : met.get(prototype)?.get(this.#name)) ?? [];
    const place = namesakes.indexOf(this);
    return place === -1 ? undefined : namesakes.length - 1 - place;
  }

  #search(self: object): Constructor | undefined {
    for (let at: object | null = self; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      const holder: unknown =
        typeof at === 'function' ? at : Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
      if (typeof holder === 'function' && this.#standsOn(at)) return holder as unknown as Constructor;
    }
    return undefined;
  }
}
