import { describe } from '../../core/shared/describe.js';
import { DecorationError } from '../../core/shared/errors.js';
import { shared } from '../../core/shared/registry.js';
import { DiscoveredClass, knownClass, type Constructor, type DeclaringClass } from './declaring-class.js';

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

/** A decorator of async methods that works in both modes. */
export type AsyncMethodDecorator<This, A extends readonly unknown[], R> = (
  ...args: MethodDecoratorArguments<This, A, R>
) => never;

export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** One decorated method, as far as it is known while its class is defined. */
export interface JoinPoint {
  readonly name: string | symbol;
  readonly static: boolean;
  readonly owner: DeclaringClass;
  readonly method: Method;
  /** Where the decorator is in the source, for messages. */
  readonly place: () => string;
}

/** Runs in place of the method: gets the call's `this`, its arguments, and the method. */
export type Advice = (self: unknown, args: unknown[], original: Method) => Promise<unknown>;

/**
 * Creates a method decorator that works as a legacy and as a standard decorator. Only this file distinguishes the two.
 * (The second argument is an object in the standard protocol and a name in the legacy one.)
 *
 * The wrapper keeps the method's name, length, own properties and `reflect-metadata`: guards and routers that read those
 * from the function still work.
 *
 * @param decorator its name in errors: `@Cached`
 * @param entry the public function that the user called, for the place in messages
 * @throws DecorationError on anything but a method that may return a promise
 */
export function around<This, A extends readonly unknown[], R>(
  decorator: string,
  entry: (...args: never) => unknown,
  advise: (joinPoint: JoinPoint) => Advice,
): AsyncMethodDecorator<This, A, R> {
  const place = callerOf(entry);
  const decorate = (...given: readonly unknown[]): unknown => {
    const [target, second] = given;
    if (typeof second === 'object' && second !== null && 'kind' in second) {
      const context = second as MethodContext<unknown>;
      const { kind, name, static: isStatic } = context;
      if (kind !== 'method') {
        throw refuse(decorator, `${kind === 'accessor' ? 'an' : 'a'} ${String(kind)}`, name ?? '');
      }
      const owner = new DiscoveredClass((holder) =>
        wraps(Object.getOwnPropertyDescriptor(holder, name)?.value, wrapper),
      );
      const wrapper = wrap(target, decorator, advise, { name, static: isStatic, owner, place });
      context.addInitializer(function (this: unknown) {
        if (isStatic) owner.setClass(this as Constructor);
        else owner.observeInstance(this as object);
      });
      return wrapper;
    }
    const name = second as string | symbol | undefined;
    const descriptor = given[2] as PropertyDescriptor | undefined;
    if (name === undefined) {
      throw refuse(decorator, 'a class', (target as { name?: string } | null)?.name ?? '');
    }
    if (typeof descriptor !== 'object' || descriptor === null || 'initializer' in descriptor) {
      throw refuse(decorator, 'a field', name);
    }
    if (descriptor.get !== undefined || descriptor.set !== undefined) {
      throw refuse(decorator, 'an accessor', name);
    }
    const isStatic = typeof target === 'function';
    const owner = knownClass((isStatic ? target : (target as object).constructor) as Constructor);
    return {
      ...descriptor,
      value: wrap(descriptor.value, decorator, advise, { name, static: isStatic, owner, place }),
    };
  };
  return decorate as unknown as AsyncMethodDecorator<This, A, R>;
}

function wrap(
  original: unknown,
  decorator: string,
  advise: (joinPoint: JoinPoint) => Advice,
  known: Omit<JoinPoint, 'method'>,
): Method {
  if (typeof original !== 'function') throw refuse(decorator, describe(original), known.name);
  const kind = Object.prototype.toString.call(original);
  if (kind.includes('Generator')) throw refuse(decorator, 'a generator', known.name);
  const method = original as Method;
  const advice = advise({ ...known, method });
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    return advice(this, args, method);
  };
  copyFunction(method, wrapper);
  originals.set(wrapper, method);
  return wrapper;
}

/** The method behind each wrapper of this library. */
const originals = shared('originals', () => new WeakMap<object, Method>());

/** `value` is the wrapper, or wrappers of this library around it. */
function wraps(value: unknown, wrapper: Method): boolean {
  for (let at = value; typeof at === 'function'; at = originals.get(at)) if (at === wrapper) return true;
  return false;
}

/** `reflect-metadata`, if the application has loaded it. */
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

/** The line that called `entry`. Captured now; its text is made when it is asked for. */
function callerOf(entry: (...args: never) => unknown): () => string {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(holder, entry);
  Error.stackTraceLimit = limit;
  return () => /\(?([^\s(]+:\d+:\d+)\)?\s*$/.exec(holder.stack ?? '')?.[1] ?? 'an unknown place';
}

function refuse(decorator: string, what: string, name: string | symbol): DecorationError {
  return new DecorationError(
    `${decorator} decorates methods that return a promise, and ${String(name) || 'this'} is ${what}. ` +
      'Move the work into an async method and decorate that.',
  );
}

/** Calls the decorated method. @throws DecorationError if it does not return a promise */
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
