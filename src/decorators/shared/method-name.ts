import { KeyError } from '../../core/shared/errors.js';
import { shared, warnOnce } from '../../core/shared/registry.js';
import type { JoinPoint } from './around.js';
import type { Constructor } from './declaring-class.js';

/** The method that uses a name. Two methods of one name would share keys. */
interface NameOwner {
  readonly class: WeakRef<object>;
  readonly joinPoint: WeakRef<JoinPoint>;
}

/** By decorator and name: `@Cached Users.find`. */
const owners = shared('names', () => new Map<string, NameOwner>());
const shortNames = shared('short names', () => new WeakSet<object>());

/**
 * The name of a decorated method in default keys, events and errors.
 *
 * `Users.find` for an instance of the class that declares it; `Admins/Users.find` for an instance of a subclass, so that
 * neither two repositories with one base class nor an override and its `super` call share keys. A static method is
 * `Users.static.find`, because an instance method may have the same name. A `name` given by the user replaces all of it.
 */
export class MethodName {
  readonly #decorator: string;
  readonly #joinPoint: JoinPoint;
  readonly #given: string | undefined;
  readonly #shares: string | undefined;
  readonly #names = new WeakMap<object, string>();
  /** Why a class may not use its name in keys. */
  readonly #refusals = new WeakMap<object, string>();

  /**
   * @param shares what two methods of one name would share: `entries`; undefined: the name is in no default key
   */
  constructor(
    decorator: string,
    joinPoint: JoinPoint,
    given: string | undefined,
    shares: string | undefined,
  ) {
    this.#decorator = decorator;
    this.#joinPoint = joinPoint;
    this.#given = given;
    this.#shares = given === undefined ? shares : undefined;
  }

  /** `@Cached on Users.find`. */
  forErrors(self: unknown): string {
    return `${this.#decorator} on ${this.forEvents(self)}`;
  }

  /** For events and errors. Falls back to `(unknown).find`. */
  forEvents(self: unknown): string {
    return this.#resolve(self) ?? this.#join('(unknown)');
  }

  /**
   * @throws KeyError if the class cannot be found, or if another method of the same name has other code: with its default
   * keys it would get the other's values
   */
  forKeys(self: unknown): string {
    const name = this.#resolve(self);
    if (name === undefined) {
      throw new KeyError(
        `${this.forErrors(self)} was called without its instance, and so its default key has no class name. Call it ` +
          `on the instance, or give the decorator a key or a name: ${this.#decorator}({ name: 'Users.find' }).`,
      );
    }
    const runtime = this.#given === undefined ? this.#classOf(self) : undefined;
    const refusal = runtime === undefined ? undefined : this.#refusals.get(runtime);
    if (refusal !== undefined) throw new KeyError(refusal);
    return name;
  }

  #resolve(self: unknown): string | undefined {
    if (this.#given !== undefined) return this.#given;
    const runtime = this.#classOf(self);
    if (runtime === undefined) return undefined;
    let name = this.#names.get(runtime);
    if (name === undefined) {
      const owner = this.#joinPoint.owner.of(instanceOf(self));
      const declared = owner === undefined || owner === runtime ? '' : `/${className(owner)}`;
      name = this.#join(`${className(runtime)}${declared}`);
      this.#names.set(runtime, name);
      if (this.#shares !== undefined) this.#register(name, runtime, self);
    }
    return name;
  }

  /** The class of the instance, or the declaring class if there is no instance. */
  #classOf(self: unknown): Constructor | undefined {
    const found = this.#joinPoint.static
      ? self
      : typeof self === 'object' && self !== null
        ? self.constructor
        : undefined;
    return typeof found === 'function' ? (found as Constructor) : this.#joinPoint.owner.of();
  }

  #join(owner: string): string {
    return `${owner}.${this.#joinPoint.static ? 'static.' : ''}${String(this.#joinPoint.name)}`;
  }

  /**
   * The second method of a name is refused if its code differs from the first one's. The same code again is a module
   * that was loaded twice (hot reload, the module registry of Jest): both use the name, with one warning. A method that
   * carries the decorator twice is one method.
   */
  #register(name: string, runtime: Constructor, self: unknown): void {
    if (runtime.name.length <= 2) warnOfShortName(runtime);
    const what = `${this.#decorator} ${name}`;
    const known = owners.get(what);
    const owner = known?.class.deref();
    const first = known?.joinPoint.deref();
    if (owner === undefined || first === undefined) {
      owners.set(what, { class: new WeakRef(runtime), joinPoint: new WeakRef(this.#joinPoint) });
      return;
    }
    // guard: one-method-with-two-decorators-is-one
    if (owner === runtime && this.#isSameMethod(first, self)) return;
    const advice = `Give one of them a name: ${this.#decorator}({ name: 'billing.${name}' }).`;
    // guard: other-code-of-one-name-is-refused
    if (String(first.method) !== String(this.#joinPoint.method)) {
      this.#refusals.set(
        runtime,
        `Two different methods are called ${name}, at ${first.place()} and at ${this.#joinPoint.place()}. Neither has a ` +
          `key of its own, so they would share their ${this.#shares}; the second one is refused. ${advice}`,
      );
    } else {
      warnOnce(
        'CACHEMENT_SHARED_NAME',
        what,
        `Two methods are called ${name}, at ${first.place()} and at ${this.#joinPoint.place()}. Their code is the same ` +
          `and neither has a key of its own, so they share their ${this.#shares}. ${advice}`,
      );
    }
  }

  #isSameMethod(first: JoinPoint, self: unknown): boolean {
    if (first === this.#joinPoint) return true;
    const instance = instanceOf(self);
    const owner = first.owner.of(instance);
    return (
      owner !== undefined &&
      owner === this.#joinPoint.owner.of(instance) &&
      first.name === this.#joinPoint.name
    );
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
  if (shortNames.has(owner)) return;
  shortNames.add(owner);
  const why =
    owner.name === ''
      ? 'A class with decorated methods has no name, so default keys do not tell it from another: name it'
      : `A class with decorated methods is called '${owner.name}'. If a minifier chose that name, default keys ` +
        'change with every build and two classes may share one: keep class names';
  process.emitWarning(`${why}, or give the decorator a name.`, {
    type: 'CachementWarning',
    code: 'CACHEMENT_SHORT_NAME',
  });
}
