import { DecorationError } from '../../core/shared/errors.js';
import { shared } from '../../core/shared/registry.js';
import type { MethodContext } from './around.js';

/** One decorator on a method, that makes it a handler of what `source` sends. */
export interface HandlerMethod<Source, Options> {
  readonly method: string | symbol;
  readonly source: Source;
  readonly options: Options;
}

/** The arguments of the decorator of a handler: standard, or legacy (`experimentalDecorators`). */
export type HandlerDecoratorArguments<This, Method> =
  | [method: Method, context: MethodContext<This>]
  | [target: This, key: string | symbol, descriptor: { value?: Method }];

/**
 * The methods that a decorator has made handlers. They are not wrapped: whoever has an instance finds them, and calls them
 * by name, so that overrides and other decorators count.
 */
export class HandlerMethods<Source, Options> {
  readonly #decorator: string;
  /** By prototype (legacy decorators, which receive it) and by instance (standard decorators, which do not). */
  readonly #handlers: WeakMap<object, HandlerMethod<Source, Options>[]>;

  /** @param decorator its name: `@Processes` */
  constructor(decorator: string) {
    this.#decorator = decorator;
    this.#handlers = shared(`handlers of ${decorator}`, () => new WeakMap());
  }

  /** What the decorator does with its arguments. @throws DecorationError for anything but a method of instances */
  add(args: readonly unknown[], source: Source, options: Options): void {
    const [target, second, descriptor] = args;
    if (isContext(second)) {
      const { kind, name, static: isStatic, private: isPrivate } = second;
      if (kind !== 'method') this.#refuse(name, `${kind === 'accessor' ? 'an' : 'a'} ${String(kind)}`);
      if (isStatic) this.#refuse(name, 'a static method');
      if (isPrivate) this.#refuse(name, 'a private method');
      const add = (owner: unknown): void => this.#add(owner as object, { method: name, source, options });
      second.addInitializer(function (this: unknown) {
        add(this);
      });
      return;
    }
    const name = second as string | symbol | undefined;
    if (name === undefined) return this.#refuse('this', 'a class');
    if (typeof target === 'function') this.#refuse(name, 'a static method');
    if (typeof (descriptor as PropertyDescriptor | undefined)?.value !== 'function')
      this.#refuse(name, 'no method');
    this.#add(target as object, { method: name, source, options });
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

  #refuse(name: string | symbol, what: string): never {
    throw new DecorationError(
      `${this.#decorator} decorates methods of instances, and ${String(name)} is ${what}. Move the work into a method of an ` +
        'instance and decorate that.',
    );
  }
}

function isContext(value: unknown): value is MethodContext<unknown> {
  return typeof value === 'object' && value !== null && 'kind' in value;
}
