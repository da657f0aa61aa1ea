import { registerCachedMethod, type CachedMethod } from '../../core/cache/cached-method.js';
import { registerKeyedMethod, type KeyedMethod } from '../../core/cache/entry-reference.js';
import { describe } from '../../core/shared/describe.js';
import { DecorationError } from '../../core/shared/errors.js';
import { originals, type Method } from '../../core/shared/originals.js';
import { shared } from '../../core/shared/registry.js';
import { DiscoveredClass, knownClass, type Constructor, type DeclaringClass } from './declaring-class.js';

/**
 * The parts of `ClassMethodDecoratorContext` in use, declared here so that users need no extra `lib` to compile them.
 */
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

/** The arguments of a method decorator at run time: standard, or legacy (`experimentalDecorators`). */
export type MethodDecoratorArguments<This, A extends readonly unknown[], R> =
  | [method: (this: This, ...args: A) => Promise<R>, context: MethodContext<This>]
  | [target: This, key: string | symbol, descriptor: MethodDescriptor<This, A, R>];

/** A decorator for async methods. It works as a standard and as a legacy decorator (`experimentalDecorators`). */
export type AsyncMethodDecorator<This, A extends readonly unknown[], R> = (
  ...args: MethodDecoratorArguments<This, A, R>
) => never;

export type { Method };

/** One decorated method, with what is known while its class is defined. */
export interface JoinPoint {
  readonly name: string | symbol;
  readonly static: boolean;
  readonly owner: DeclaringClass;
  readonly method: Method;
  /** The source position of the decorator, for messages: `/app/users.js:12:3`. */
  readonly place: () => string;
}

/** The name of a decorated method, computed when an error needs it. */
export interface NameForErrors {
  /** Returns `@Cached on Users.find`. */
  forErrors(self: unknown): string;
}

/** Runs in place of the method. Receives `this` and the arguments of the call, and the method. */
export interface Advice {
  (self: unknown, args: unknown[], original: Method): Promise<unknown>;
  /** What handles on the method need; only `@Cached` and `@CachedMany` have it. */
  readonly cached?: CachedMethod;
  /** What references to entries of the method need; only `@Cached` and `@CachedMany` have it. */
  readonly keyed?: KeyedMethod;
}

/**
 * Creates a method decorator that works as a legacy and as a standard decorator. Only this file and
 * handler-methods.ts distinguish the two. (The second argument is an object in the standard protocol and a name in the
 * legacy one.)
 *
 * The wrapper keeps the method's name, length, own properties and `reflect-metadata`, because guards and routers read
 * them from the function.
 *
 * @param decorator its name in errors: `@Cached`
 * @param entry the public function that the user called; its call site is the place in messages
 * @throws DecorationError (by the returned decorator) on anything but a method, and on a generator method
 */
export function around<This, A extends readonly unknown[], R>(
  decorator: string,
  entry: (...args: never) => unknown,
  advise: (joinPoint: JoinPoint) => Advice,
): AsyncMethodDecorator<This, A, R> {
  const place = callerOf(entry);
  const decorate = (...args: readonly unknown[]): unknown => {
    const [target, second] = args;
    if (typeof second === 'object' && second !== null && 'kind' in second) {
      const context = second as MethodContext<unknown>;
      const { kind, name, static: isStatic } = context;
      if (kind !== 'method') {
        throw decorationError(decorator, `${kind === 'accessor' ? 'an' : 'a'} ${String(kind)}`, name ?? '');
      }
      const owner = new DiscoveredClass((object) =>
        wraps(Object.getOwnPropertyDescriptor(object, name)?.value, wrapper),
      );
      const wrapper = wrap(target, decorator, advise, { name, static: isStatic, owner, place });
      context.addInitializer(function (this: unknown) {
        if (isStatic) owner.setClass(this as Constructor);
        else owner.observeInstance(this as object);
      });
      return wrapper;
    }
    const name = second as string | symbol | undefined;
    const descriptor = args[2] as PropertyDescriptor | undefined;
    if (name === undefined) {
      throw decorationError(decorator, 'a class', (target as { name?: string } | null)?.name ?? '');
    }
    if (typeof descriptor !== 'object' || descriptor === null || 'initializer' in descriptor) {
      throw decorationError(decorator, 'a field', name);
    }
    if (descriptor.get !== undefined || descriptor.set !== undefined) {
      throw decorationError(decorator, 'an accessor', name);
    }
    const isStatic = typeof target === 'function';
    if (!isStatic) decorated.add(target as object);
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
  if (typeof original !== 'function') throw decorationError(decorator, describe(original), known.name);
  const kind = Object.prototype.toString.call(original);
  if (kind.includes('Generator')) throw decorationError(decorator, 'a generator', known.name);
  const method = original as Method;
  const advice = advise({ ...known, method });
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    try {
      return advice(this, args, method);
    } catch (error) {
      // Callers of an async method get every error from its promise.
      return Promise.reject(error as Error);
    }
  };
  copyFunction(method, wrapper);
  originals.set(wrapper, method);
  if (advice.cached !== undefined) registerCachedMethod(wrapper, advice.cached);
  if (advice.keyed !== undefined) registerKeyedMethod(wrapper, advice.keyed);
  return wrapper;
}

/** The prototypes with methods that were decorated under `experimentalDecorators`, by any copy of this package. */
const decorated = shared('decorated', () => new WeakSet<object>());

/**
 * True if instances of a class have methods that this library decorates, inherited ones included. Standard decorators do
 * not know the class before there is an instance: their methods are found, unless another decorator is above.
 */
export function hasDecoratedMethods({ prototype }: { readonly prototype: object | undefined }): boolean {
  for (let proto = prototype; proto != null; proto = Object.getPrototypeOf(proto) as object | undefined) {
    if (decorated.has(proto)) return true;
    const descriptors = Object.values(Object.getOwnPropertyDescriptors(proto));
    if (descriptors.some(({ value }) => typeof value === 'function' && originals.has(value as object)))
      return true;
  }
  return false;
}

/** True if `value` is the wrapper itself, or other wrappers of this library around it. */
function wraps(value: unknown, wrapper: Method): boolean {
  for (let current = value; typeof current === 'function'; current = originals.get(current)) {
    if (current === wrapper) return true;
  }
  return false;
}

/** `Reflect`, with the functions of `reflect-metadata` if the application has loaded it. */
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

/** The source position that called `entry`. The stack is captured now; V8 formats it when the text is first read. */
function callerOf(entry: (...args: never) => unknown): () => string {
  const trace: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(trace, entry);
  Error.stackTraceLimit = limit;
  return () => /\(?([^\s(]+:\d+:\d+)\)?\s*$/.exec(trace.stack ?? '')?.[1] ?? 'an unknown place';
}

function decorationError(decorator: string, what: string, name: string | symbol): DecorationError {
  return new DecorationError(
    `${decorator} decorates methods that return a promise, and ${String(name) || 'this'} is ${what}. ` +
      'Move the work into an async method and decorate that.',
  );
}

/**
 * Calls the decorated method.
 *
 * @param name names the method in errors
 * @throws DecorationError if it does not return a promise
 */
export async function callAsync(
  original: Method,
  self: unknown,
  args: unknown[],
  name: NameForErrors,
): Promise<unknown> {
  const result = original.apply(self, args);
  if (typeof (result as PromiseLike<unknown> | null | undefined)?.then !== 'function') {
    throw new DecorationError(
      `${name.forErrors(self)} returned ${describe(result)} instead of a promise. ` +
        'Only async methods can be decorated, because their callers always get a promise. Make the method async.',
    );
  }
  return result;
}
