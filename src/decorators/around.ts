import { describe } from '../core/describe.js';
import { DecorationError } from '../core/errors.js';
import { SoughtClass, toldClass, type Constructor, type DeclaringClass } from './declaring-class.js';

/** The parts of `ClassMethodDecoratorContext` in use, spelled out so that no `lib` is needed to read them. */
export interface MethodContext<This> {
  readonly kind: 'method';
  readonly name: string | symbol;
  readonly static: boolean;
  readonly private: boolean;
  addInitializer(initializer: (this: This) => void): void;
}

export interface MethodDescriptor<This, A extends readonly unknown[], R> {
  value?: (this: This, ...args: A) => Promise<R>;
}

/** How the run time calls a method decorator: standard, or legacy (`experimentalDecorators`). */
export type MethodDecoratorArguments<This, A extends readonly unknown[], R> =
  | [method: (this: This, ...args: A) => Promise<R>, context: MethodContext<This>]
  | [target: This, key: string | symbol, descriptor: MethodDescriptor<This, A, R>];

/** A decorator of async methods that works in both modes. What it returns is the run time's business. */
export type AsyncMethodDecorator<This, A extends readonly unknown[], R> = (
  ...args: MethodDecoratorArguments<This, A, R>
) => never;

export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What is known of a decorated method while its class is defined. */
export interface Site {
  readonly name: string | symbol;
  readonly static: boolean;
  readonly owner: DeclaringClass;
}

/** Takes a call: its `this`, its arguments, the method it is about. */
export type Advice = (self: unknown, args: unknown[], original: Method) => Promise<unknown>;

/**
 * Makes a method decorator for both worlds; nothing else in this library knows them apart. (The only way to
 * tell: the second argument is an object in the standard, a name in the legacy protocol.)
 *
 * The wrapper keeps the method's name, length, own properties and `reflect-metadata`: guards and routers that
 * read those from the function go on working.
 *
 * @param decorator its name in errors: `@Cached`
 * @throws DecorationError on anything but a method that may return a promise
 */
export function around<This, A extends readonly unknown[], R>(
  decorator: string,
  advise: (site: Site) => Advice,
): AsyncMethodDecorator<This, A, R> {
  const decorate = (...given: readonly unknown[]): unknown => {
    const [target, second] = given;
    if (typeof second === 'object' && second !== null && 'kind' in second) {
      const context = second as MethodContext<unknown>;
      const { kind, name, static: isStatic } = context;
      if (kind !== 'method')
        throw refuse(decorator, `${kind === 'accessor' ? 'an' : 'a'} ${String(kind)}`, name ?? '');
      const owner = new SoughtClass(name, (holder) =>
        covers(Object.getOwnPropertyDescriptor(holder, name)?.value, wrapper),
      );
      const wrapper = wrap(target, decorator, advise, { name, static: isStatic, owner });
      context.addInitializer?.(function (this: unknown) {
        if (isStatic) owner.tell(this as Constructor);
        else owner.meet(this as object);
      });
      return wrapper;
    }
    const name = second as string | symbol | undefined;
    const descriptor = given[2] as PropertyDescriptor | undefined;
    if (name === undefined)
      throw refuse(decorator, 'a class', (target as { name?: string } | null)?.name ?? '');
    if (typeof descriptor !== 'object' || descriptor === null || 'initializer' in descriptor) {
      throw refuse(decorator, 'a field', name);
    }
    if (descriptor.get !== undefined || descriptor.set !== undefined)
      throw refuse(decorator, 'an accessor', name);
    const isStatic = typeof target === 'function';
    const owner = toldClass((isStatic ? target : (target as object).constructor) as Constructor);
    return {
      ...descriptor,
      value: wrap(descriptor.value, decorator, advise, { name, static: isStatic, owner }),
    };
  };
  return decorate as unknown as AsyncMethodDecorator<This, A, R>;
}

function wrap(original: unknown, decorator: string, advise: (site: Site) => Advice, site: Site): Method {
  if (typeof original !== 'function') throw refuse(decorator, describe(original), site.name);
  const kind = Object.prototype.toString.call(original);
  if (kind.includes('Generator')) throw refuse(decorator, 'a generator', site.name);
  const method = original as Method;
  const advice = advise(site);
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    return advice(this, args, method);
  };
  copyFunction(method, wrapper);
  originals.set(wrapper, method);
  return wrapper;
}

/** What each wrapper of this library stands for. */
const originals = new WeakMap<object, Method>();

/** `value` is the wrapper, or wrappers of this library around it. */
function covers(value: unknown, wrapper: Method): boolean {
  for (let at = value; typeof at === 'function'; at = originals.get(at)) if (at === wrapper) return true;
  return false;
}

/** `reflect-metadata`, where the application has loaded it. */
interface MetadataReflect {
  getOwnMetadataKeys?(target: object): readonly unknown[];
  getOwnMetadata?(key: unknown, target: object): unknown;
  defineMetadata?(key: unknown, value: unknown, target: object): void;
}

function copyFunction(from: Method, to: Method): void {
  for (const key of Reflect.ownKeys(from)) {
    if (key === 'prototype' || key === 'arguments' || key === 'caller') continue;
    const property = Object.getOwnPropertyDescriptor(from, key);
    if (property !== undefined) Object.defineProperty(to, key, { ...property, configurable: true });
  }
  const reflect = Reflect as MetadataReflect;
  for (const key of reflect.getOwnMetadataKeys?.(from) ?? []) {
    reflect.defineMetadata?.(key, reflect.getOwnMetadata?.(key, from), to);
  }
}

function refuse(decorator: string, what: string, name: string | symbol): DecorationError {
  return new DecorationError(
    `${decorator} decorates methods that return a promise, and ${String(name) || 'this'} is ${what}. ` +
      'Move the work into an async method and decorate that.',
  );
}

/** The promise of a decorated method. @throws DecorationError if it returned something else */
export async function callAsync(
  original: Method,
  self: unknown,
  args: unknown[],
  where: () => string,
): Promise<unknown> {
  const result = original.apply(self, args);
  if (typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function') {
    throw new DecorationError(
      `${where()} returned ${describe(result)} and not a promise. ` +
        'Only async methods can be decorated: callers get a promise in any case. Make it async.',
    );
  }
  return result;
}
