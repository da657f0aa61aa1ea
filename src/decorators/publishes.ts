import type { MessageChannel } from '../core/messages/channel.js';
import { definitionOf } from '../core/messages/channel.js';
import { pubsub } from '../core/pubsub.js';
import { EventPublisher } from '../core/shared/event-publisher.js';
import { callback, oneOf, parseOptions, type Option } from '../core/shared/option-schema.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { decoratorOptions } from './shared/decorator-options.js';
import { MethodName } from './shared/method-name.js';
import { perCaching, resolveCaching, type CachingSource } from './shared/resolve-caching.js';

/** The options of `@Publishes`, beside `message`. */
export interface PublishesFields<This, A extends readonly unknown[], R> {
  /** A function of the arguments. If it returns false, the call publishes nothing. */
  readonly when?: NoInfer<(this: This, ...args: A) => boolean> | undefined;
  /** A function of the result and the arguments. If it returns true, nothing is published. */
  readonly unless?: NoInfer<(this: This, result: R, ...args: A) => boolean> | undefined;
  /**
   * What to do if the message is not published: the store is unavailable, the schema rejects the message, or `message` throws.
   * The method has succeeded in any case. `report`: an `error` event, and the call returns the result. `throw`: the call
   * rejects with the error.
   * @default 'report'
   */
  readonly onFailure?: 'report' | 'throw' | undefined;
  /**
   * Replaces class and method name in events.
   * @default class and method name: `Users.save`
   */
  readonly name?: string | undefined;
  /**
   * The `Caching` to use, or a function of the instance that returns it.
   * @default found through the container (docs/dependency-injection.md)
   */
  readonly cache?: CachingSource<This> | undefined;
}

/** The options of `@Publishes`. */
export interface PublishesOptions<This, A extends readonly unknown[], R, Input> extends PublishesFields<
  This,
  A,
  R
> {
  /** A function of the result and the arguments that returns the message. @default the result of the method */
  readonly message: NoInfer<(this: This, result: R, ...args: A) => Input>;
}

/** The schema of `PublishesOptions`. */
export const publishesOptions = {
  message: callback<(this: unknown, result: unknown, ...args: readonly unknown[]) => unknown>(),
  unless: callback<(this: unknown, result: unknown, ...args: readonly unknown[]) => boolean>(),
  onFailure: oneOf(['report', 'throw'], 'report'),
  when: decoratorOptions.when,
  name: decoratorOptions.name,
  cache: decoratorOptions.cache,
} satisfies Record<keyof PublishesOptions<unknown, readonly unknown[], unknown, unknown>, Option<unknown>>;

/**
 * Publishes a message after the method succeeds, before its promise resolves. If the method throws, nothing is published.
 *
 * A message is sent at most once. If that fails, the call still returns the result of the method: what the method did has
 * happened. The failure is an `error` event, or is thrown with `onFailure: 'throw'`.
 *
 * @param channel of `defineChannel`
 * @throws DecorationError, OptionsError while the class is defined
 * @throws MissingCachingError (rejection) if no `Caching` is found
 * @throws (rejection) the errors of the method, of `when` and of `unless`
 * @see docs/pubsub.md
 * @example
 * @Publishes(userChanged, { message: (saved) => ({ id: saved.id }) })
 * async save(user: User): Promise<User> { ... }
 */
export function Publishes<This extends object, A extends readonly unknown[], R, Input>(
  channel: MessageChannel<unknown, Input>,
  options: PublishesOptions<This, A, R, Input>,
): AsyncMethodDecorator<This, A, R>;
export function Publishes<This extends object, A extends readonly unknown[], R>(
  channel: MessageChannel<unknown, R>,
  options?: PublishesFields<This, A, R> & { readonly message?: undefined },
): AsyncMethodDecorator<This, A, R>;
export function Publishes<This extends object, A extends readonly unknown[], R>(
  channel: MessageChannel<unknown, never>,
  rawOptions: object = {},
): AsyncMethodDecorator<This, A, R> {
  return around('@Publishes', Publishes, (joinPoint) => {
    const label = `@Publishes on ${String(joinPoint.name)}`;
    definitionOf(channel, label).checkIsChannel(label);
    const options = parseOptions(publishesOptions, rawOptions, label);
    const { message, when, unless, onFailure = 'report' } = options;
    const name = new MethodName('@Publishes', joinPoint, options.name, undefined);
    const eventsOf = perCaching(({ namespace }) => new EventPublisher(namespace));
    return async (self, args, original) => {
      const caching = resolveCaching(self, options.cache, name);
      const isExcepted = !caching.enabled || (when !== undefined && !when.apply(self, args));
      const result = await callAsync(original, self, args, name);
      if (isExcepted || unless?.apply(self, [result, ...args]) === true) return result;
      try {
        const content = message === undefined ? result : message.apply(self, [result, ...args]);
        await pubsub(caching).publish(channel, content as never);
      } catch (error) {
        // guard: failed-message-does-not-fail-the-call
        if (onFailure === 'throw') throw error;
        eventsOf(caching).error('publish', { key: channel.name, method: () => name.forEvents(self) }, error);
      }
      return result;
    };
  });
}
