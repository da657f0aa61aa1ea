import { KeyError } from '../../core/shared/errors.js';
import { shared, warnOnce } from '../../core/shared/registry.js';
import type { JoinPoint } from './around.js';
import { nameOfClass } from './class-defaults.js';
import { classOfCall, type Constructor } from './declaring-class.js';

/** The first method that used a name. A second one would share its keys. */
interface NameOwner {
  readonly class: WeakRef<object>;
  readonly joinPoint: WeakRef<JoinPoint>;
}

/** By decorator and name: `@Cached Users.find`. */
const owners = shared('names', () => new Map<string, NameOwner>());
/** The classes that were warned of. */
const shortNames = shared('short names', () => new WeakSet<object>());

/**
 * The name of a decorated method in default keys, events and errors.
 *
 * `Users.find` for an instance of the declaring class; `Admins/Users.find` for an instance of a subclass. So two
 * repositories with the same base class have different keys, and so have an override and its `super` call. A static
 * method is `Users.static.find`, because an instance method may have the same name. The `name` option replaces the
 * whole name; that of `@CachingDefaults` replaces the name of its class.
 */
export class MethodName {
  readonly #decorator: string;
  readonly #joinPoint: JoinPoint;
  readonly #nameOption: string | undefined;
  readonly #shared: string | undefined;
  /** By the class of the instance. */
  readonly #names = new WeakMap<object, string>();
  /** By the class of the instance: the message of the KeyError if its name is that of another method. */
  readonly #conflicts = new WeakMap<object, string>();

  /**
   * @param nameOption the `name` option of the decorator
   * @param shared what two methods with the same name would share, for messages: `entries`; undefined if the name is in
   * no default key
   */
  constructor(
    decorator: string,
    joinPoint: JoinPoint,
    nameOption: string | undefined,
    shared: string | undefined,
  ) {
    this.#decorator = decorator;
    this.#joinPoint = joinPoint;
    this.#nameOption = nameOption;
    this.#shared = nameOption === undefined ? shared : undefined;
  }

  /** Returns `@Cached on Users.find`. */
  forErrors(self: unknown): string {
    return `${this.#decorator} on ${this.forEvents(self)}`;
  }

  /** Returns `Users.find`, or `(unknown).find` if the class is not found. */
  forEvents(self: unknown): string {
    return this.#resolve(self) ?? this.#join('(unknown)');
  }

  /**
   * Returns the name for a default key.
   *
   * @throws KeyError if the class is not found, or if another method with different code has the same name: both would
   * read each other's values
   */
  forKeys(self: unknown): string {
    const name = this.#resolve(self);
    if (name === undefined) {
      throw new KeyError(
        `${this.forErrors(self)} was called without its instance, so the class name in its default key is unknown. Call ` +
          `it on the instance, or give the decorator a key or a name: ${this.#decorator}({ name: 'Users.find' }).`,
      );
    }
    const runtime = this.#nameOption === undefined ? classOfCall(this.#joinPoint, self) : undefined;
    const conflict = runtime === undefined ? undefined : this.#conflicts.get(runtime);
    if (conflict !== undefined) throw new KeyError(conflict);
    return name;
  }

  #resolve(self: unknown): string | undefined {
    if (this.#nameOption !== undefined) return this.#nameOption;
    const runtime = classOfCall(this.#joinPoint, self);
    if (runtime === undefined) return undefined;
    let name = this.#names.get(runtime);
    if (name === undefined) {
      const owner = this.#joinPoint.owner.of(instanceOf(self));
      const declared = owner === undefined || owner === runtime ? '' : `/${className(owner)}`;
      name = this.#join(`${className(runtime)}${declared}`);
      this.#names.set(runtime, name);
      if (this.#shared !== undefined) this.#register(name, runtime, self);
    }
    return name;
  }

  #join(owner: string): string {
    return `${owner}.${this.#joinPoint.static ? 'static.' : ''}${String(this.#joinPoint.name)}`;
  }

  /**
   * Registers the method as the owner of the name, or as a conflict if a method with different code owns it. The same
   * code means that a module was loaded twice (hot reload, the module registry of Jest): both use the name, with one
   * warning. A method that has the decorator twice is one method.
   */
  #register(name: string, runtime: Constructor, self: unknown): void {
    if (runtime.name.length <= 2) warnOfShortName(runtime);
    const id = `${this.#decorator} ${name}`;
    const known = owners.get(id);
    const owner = known?.class.deref();
    const first = known?.joinPoint.deref();
    if (owner === undefined || first === undefined) {
      owners.set(id, { class: new WeakRef(runtime), joinPoint: new WeakRef(this.#joinPoint) });
      return;
    }
    // guard: one-method-with-two-decorators-is-one
    if (owner === runtime && this.#isSameMethod(first, self)) return;
    const advice = `Give one of them a name: ${this.#decorator}({ name: 'billing.${name}' }).`;
    // guard: other-code-of-one-name-is-refused
    if (String(first.method) !== String(this.#joinPoint.method)) {
      this.#conflicts.set(
        runtime,
        `Two different methods are called ${name}, at ${first.place()} and at ${this.#joinPoint.place()}. Neither has a ` +
          `key of its own, so they would share their ${this.#shared}; the second one is refused. ${advice}`,
      );
    } else {
      warnOnce(
        'CACHEMENT_SHARED_NAME',
        id,
        `Two methods are called ${name}, at ${first.place()} and at ${this.#joinPoint.place()}. Their code is the same ` +
          `and neither has a key of its own, so they share their ${this.#shared}. ${advice}`,
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

/** Undefined if `self` is neither an object nor a class. */
function instanceOf(self: unknown): object | undefined {
  return (typeof self === 'object' && self !== null) || typeof self === 'function' ? self : undefined;
}

function className(owner: Constructor): string {
  return nameOfClass(owner) ?? (owner.name === '' ? '(anonymous)' : owner.name);
}

function warnOfShortName(owner: Constructor): void {
  if (shortNames.has(owner) || nameOfClass(owner) !== undefined) return;
  shortNames.add(owner);
  const why =
    owner.name === ''
      ? 'A class with decorated methods has no name, so its default keys are those of every other such class: name it'
      : `A class with decorated methods is called '${owner.name}'. If a minifier chose that name, default keys ` +
        'change with every build, and two classes may have the same: keep class names';
  process.emitWarning(`${why}, or give the decorator a name.`, {
    type: 'CachementWarning',
    code: 'CACHEMENT_SHORT_NAME',
  });
}
