import { DecorationError } from '../../core/shared/errors.js';
import { shared } from '../../core/shared/registry.js';
import type { MethodContext } from './around.js';

/** One decorator on a method, that makes it a handler of what `source` sends. */
export interface HandlerMethod<Source, Options> {
  readonly method: string | symbol;
  readonly source: Source;
  readonly options: Options;
}

/**
 * The methods that a decorator has made handlers. They are not wrapped: whoever has an instance finds them, and calls them
 * by name, so that overrides and other decorators count.
 */
export class HandlerMethods<Source, Options> {
  readonly decorator: string;
  /** By prototype (legacy decorators, which receive it) and by instance (standard decorators, which do not). */
  readonly #handlers: WeakMap<object, HandlerMethod<Source, Options>[]>;

  /** @param decorator its name: `@Processes` */
  constructor(decorator: string) {
    this.decorator = decorator;
    this.#handlers = shared(`handlers of ${decorator}`, () => new WeakMap());
  }

  /**
   * What the decorator does with its arguments.
   *
   * @param read returns the source and the options of the method, given the name of the decorator in errors: `@Processes on send`
   * @throws DecorationError for anything but a method of instances; and what `read` throws
   */
  add(
    args: readonly unknown[],
    read: (label: string) => { readonly source: Source; readonly options: Options },
  ): void {
    const [target, second, descriptor] = args;
    const context = isContext(second) ? second : undefined;
    const name = (context === undefined ? second : context.name) as string | symbol | undefined;
    const label = `${this.decorator} on ${String(name ?? 'a class')}`;
    const isStatic = context === undefined ? typeof target === 'function' : context.static;
    const isMethod =
      context === undefined
        ? typeof (descriptor as PropertyDescriptor | undefined)?.value === 'function'
        : context.kind === 'method';
    const handler = { method: name!, ...read(label) };
    if (name === undefined || !isMethod) this.#refuse(label, 'no method');
    if (isStatic) this.#refuse(label, 'a static method');
    if (context === undefined) return this.#add(target as object, handler);
    if (context.private) this.#refuse(label, 'a private method');
    const add = (instance: unknown): void => this.#add(instance as object, handler);
    context.addInitializer(function (this: unknown) {
      add(this);
    });
  }

  /** The handlers of an instance. Of several decorators for one method and source, that of the nearest class counts. */
  of(instance: object): readonly HandlerMethod<Source, Options>[] {
    const found: HandlerMethod<Source, Options>[] = [];
    for (let at: object | null = instance; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      // The initializers of a subclass run after those of its base class.
      for (const handler of (this.#handlers.get(at) ?? []).toReversed()) {
        if (!found.some(({ method, source }) => method === handler.method && source === handler.source))
          found.push(handler);
      }
    }
    return found.toReversed();
  }

  #add(owner: object, handler: HandlerMethod<Source, Options>): void {
    const known = this.#handlers.get(owner);
    if (known === undefined) this.#handlers.set(owner, [handler]);
    else known.push(handler);
  }

  #refuse(label: string, what: string): never {
    throw new DecorationError(
      `${label} is on ${what}. ${this.decorator} decorates methods of instances, because they are called on an instance.`,
    );
  }
}

function isContext(value: unknown): value is MethodContext<unknown> {
  return typeof value === 'object' && value !== null && 'kind' in value;
}
