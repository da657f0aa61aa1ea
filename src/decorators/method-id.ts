import { KeyError } from '../core/errors.js';
import type { Site } from './around.js';
import type { Constructor } from './declaring-class.js';

/** Who uses an id: two of them on one id would share keys. */
interface Claim {
  readonly owner: WeakRef<object>;
  readonly site: WeakRef<Site>;
}

/** By decorator and id: `@Cached Users.find`. */
const claims = new Map<string, Claim>();
const warned = new Set<string>();
const short = new WeakSet<object>();

/**
 * What a method is called in default keys, events and errors.
 *
 * `Users.find` for an instance of the class that declares it; `Admins/Users.find` for one of a subclass, so that
 * neither two repositories with one base class nor an override and its `super` call share keys. Where the
 * declaring class cannot be told (private methods, foreign decorators on top, under standard decorators) it is
 * `Admins.find`, and `Admins/1.find` for what that one overrides. A static method is `Users.static.find`: it may
 * have a namesake. A `name` given by the user stands for all of it.
 */
export class MethodId {
  readonly #site: Site;
  readonly #given: string | undefined;
  readonly #decorator: string;
  readonly #shares: string | undefined;
  readonly #ids = new WeakMap<object, string>();

  /** @param shares what two methods of one id would share: `entries`; undefined: it stands in no default key */
  constructor(decorator: string, site: Site, given: string | undefined, shares: string | undefined) {
    this.#decorator = decorator;
    this.#site = site;
    this.#given = given;
    this.#shares = given === undefined ? shares : undefined;
  }

  /** For errors: `@Cached on Users.find`. */
  where(self: unknown): string {
    return `${this.#decorator} on ${this.of(self)}`;
  }

  /** For events and errors: something is said in any case. */
  of(self: unknown): string {
    return this.#tell(self) ?? this.#join('(unknown)');
  }

  /**
   * For default keys.
   * @throws KeyError where the class cannot be told: whatever stood for it might be another's
   */
  inKeys(self: unknown): string {
    const id = this.#tell(self);
    if (id !== undefined) return id;
    throw new KeyError(
      `${this.where(self)} was called without its instance, and so its default key has no class name. Call it ` +
        `on the instance, or give the decorator a key or a name: ${this.#decorator}({ name: 'Users.find' }).`,
    );
  }

  #tell(self: unknown): string | undefined {
    if (this.#given !== undefined) return this.#given;
    const runtime = this.#classOf(self) ?? this.#site.owner.of();
    if (runtime === undefined) return undefined;
    let id = this.#ids.get(runtime);
    if (id === undefined) {
      id = this.#name(runtime, self);
      if (id === undefined) return undefined;
      if (this.#shares !== undefined) this.#claim(id, runtime, self);
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

  #name(runtime: Constructor, self: unknown): string | undefined {
    const instance = instanceOf(self);
    const owner = this.#site.owner.of(instance);
    if (owner === runtime) return this.#join(className(runtime));
    if (owner !== undefined) return this.#join(`${className(runtime)}/${className(owner)}`);
    const overrides = instance === undefined ? undefined : this.#site.owner.overrides(instance);
    if (overrides === undefined) return undefined;
    return this.#join(overrides === 0 ? className(runtime) : `${className(runtime)}/${overrides}`);
  }

  #join(owner: string): string {
    return `${owner}.${this.#site.static ? 'static.' : ''}${String(this.#site.name)}`;
  }

  /** Warns once for each id, at the second comer. A method that carries the decorator twice is one comer. */
  #claim(id: string, runtime: Constructor, self: unknown): void {
    if (runtime.name.length <= 2) warnOfShortName(runtime);
    const what = `${this.#decorator} ${id}`;
    const claim = claims.get(what);
    const owner = claim?.owner.deref();
    const site = claim?.site.deref();
    if (owner === undefined || site === undefined) {
      claims.set(what, { owner: new WeakRef(runtime), site: new WeakRef(this.#site) });
      return;
    }
    if ((owner === runtime && this.#isOfMethod(site, self)) || warned.has(what)) return;
    warned.add(what);
    process.emitWarning(
      `Two methods are called ${id}. Neither has a key of its own, so they share their ${this.#shares}. ` +
        `Give one of them a name: ${this.#decorator}({ name: 'billing.${id}' }).`,
      { type: 'CachementWarning', code: 'CACHEMENT_SHARED_NAME' },
    );
  }

  #isOfMethod(site: Site, self: unknown): boolean {
    if (site === this.#site) return true;
    const instance = instanceOf(self);
    const owner = site.owner.of(instance);
    return owner !== undefined && owner === this.#site.owner.of(instance) && site.name === this.#site.name;
  }
}

/** What a declaring class can be looked for on. */
function instanceOf(self: unknown): object | undefined {
  return (typeof self === 'object' && self !== null) || typeof self === 'function' ? self : undefined;
}

function className({ name }: Constructor): string {
  return name === '' ? '(anonymous)' : name;
}

function warnOfShortName(owner: Constructor): void {
  if (short.has(owner)) return;
  short.add(owner);
  const why =
    owner.name === ''
      ? 'A class with decorated methods has no name, so that default keys do not tell it from another: name it'
      : `A class with decorated methods is called '${owner.name}'. If a minifier chose that name, default keys ` +
        'change with every build and two classes may share one: keep class names';
  process.emitWarning(`${why}, or give the decorator a name.`, {
    type: 'CachementWarning',
    code: 'CACHEMENT_SHORT_NAME',
  });
}
