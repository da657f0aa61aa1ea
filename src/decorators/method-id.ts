import type { Constructor, Site } from './around.js';

/** Who uses an id: two of them on one id would share keys. */
interface Claim {
  readonly owner: WeakRef<object>;
  readonly site: WeakRef<Site>;
}

const claims = new Map<string, Claim>();

/**
 * What a method is called in default keys, events and errors.
 *
 * `Users.find` for an instance of the class that declares it; `Admins/Users.find` for one of a subclass, so that
 * neither two repositories with one base class nor an override and its `super` call share keys. A `name` given
 * by the user stands for all of it.
 */
export class MethodId {
  readonly #site: Site;
  readonly #given: string | undefined;
  readonly #decorator: string;
  readonly #inKeys: boolean;
  readonly #ids = new WeakMap<object, string>();

  /** @param inKeys it stands in default keys, so that two methods of one id would share their entries */
  constructor(decorator: string, site: Site, given: string | undefined, inKeys: boolean) {
    this.#decorator = decorator;
    this.#site = site;
    this.#given = given;
    this.#inKeys = inKeys && given === undefined;
    if (site.owner !== undefined) this.of(site.static ? site.owner : site.owner.prototype);
  }

  /** For errors: `@Cached on Users.find`. */
  where(self: unknown): string {
    return `${this.#decorator} on ${this.of(self)}`;
  }

  of(self: unknown): string {
    const runtime = this.#classOf(self);
    if (runtime === undefined) return this.#given ?? this.#join(this.#site.owner?.name ?? '(unknown)');
    let id = this.#ids.get(runtime);
    if (id === undefined) {
      id = this.#given ?? this.#name(runtime, self);
      if (this.#inKeys) this.#claim(id, runtime);
      this.#ids.set(runtime, id);
    }
    return id;
  }

  #classOf(self: unknown): Constructor | undefined {
    if (this.#site.static) return typeof self === 'function' ? (self as unknown as Constructor) : undefined;
    if (typeof self !== 'object' || self === null) return undefined;
    const found = self.constructor;
    return typeof found === 'function' ? (found as unknown as Constructor) : undefined;
  }

  #name(runtime: Constructor, self: unknown): string {
    const owner = this.#site.owner ?? this.#declaring(self) ?? runtime;
    const called = className(owner);
    return this.#join(owner === runtime ? called : `${className(runtime)}/${called}`);
  }

  #join(owner: string): string {
    return `${owner}.${String(this.#site.name)}`;
  }

  /** Standard decorators are not told the class: it is where the wrapper stands. */
  #declaring(self: unknown): Constructor | undefined {
    const { name, wrapper, static: isStatic } = this.#site;
    for (let at: unknown = self; at !== null && at !== undefined; at = Object.getPrototypeOf(at)) {
      if (Object.getOwnPropertyDescriptor(at, name)?.value === wrapper()) {
        return (isStatic ? at : (at as object).constructor) as Constructor;
      }
    }
    return undefined;
  }

  /** Warns once for each id, at the second comer. */
  #claim(id: string, runtime: Constructor): void {
    if (runtime.name.length <= 2) warnOfShortName(runtime);
    const claim = claims.get(id);
    const owner = claim?.owner.deref();
    const site = claim?.site.deref();
    if (owner === undefined || site === undefined) {
      claims.set(id, { owner: new WeakRef(runtime), site: new WeakRef(this.#site) });
      return;
    }
    if ((owner === runtime && site === this.#site) || warned.has(id)) return;
    warned.add(id);
    process.emitWarning(
      `Two methods are called ${id}. Neither has a key of its own, so they share their entries. ` +
        `Give one of them a name: ${this.#decorator}({ name: 'billing.${id}' }).`,
      { type: 'CachementWarning', code: 'CACHEMENT_SHARED_NAME' },
    );
  }
}

const warned = new Set<string>();
const short = new WeakSet<object>();

function className({ name }: Constructor): string {
  return name === '' ? '(anonymous)' : name;
}

function warnOfShortName(owner: Constructor): void {
  if (short.has(owner)) return;
  short.add(owner);
  process.emitWarning(
    `A class with decorated methods is called '${owner.name}'. If a minifier chose that name, default keys ` +
      'change with every build and two classes may share one: keep class names, or give the decorator a name.',
    { type: 'CachementWarning', code: 'CACHEMENT_SHORT_NAME' },
  );
}
