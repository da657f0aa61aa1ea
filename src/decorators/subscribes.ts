import type { Caching } from '../core/caching.js';
import { definitionOf, type MessageSource } from '../core/messages/channel.js';
import type { MessageContext, Subscription } from '../core/messages/subscription.js';
import {
  subscribeOptions,
  type Interruption,
  type SubscribeOptions,
} from '../core/messages/subscription-options.js';
import { pubsub } from '../core/pubsub.js';
import { parseOptions, type Option } from '../core/shared/option-schema.js';
import { warnOnce } from '../core/shared/registry.js';
import type { MethodContext } from './shared/around.js';
import { HandlerInstances } from './shared/handler-instances.js';
import { HandlerMethods, type HandlerMethod } from './shared/handler-methods.js';
import { onInstanceMade } from './shared/made-instances.js';

/** The options of `@Subscribes`. */
export interface SubscribesOptions<This> extends Omit<SubscribeOptions, 'onInterrupted'> {
  /**
   * Called on the instance when messages are received again after the connection was lost: those that were published between
   * `from` and `to` may be lost.
   */
  readonly onInterrupted?: ((this: This, interruption: Interruption) => unknown) | undefined;
}

/** The schema of `SubscribesOptions`. */
export const subscribesOptions = subscribeOptions satisfies Record<
  keyof SubscribesOptions<unknown>,
  Option<unknown>
>;

/** A handler as a method. */
type Method<This, Message> = (this: This, message: Message, context: MessageContext) => unknown;

/** A decorator for methods that handle messages. It works as a standard and as a legacy decorator. */
export type HandlerDecorator<This, Message> = (
  ...args:
    | [method: Method<This, Message>, context: MethodContext<This>]
    | [target: This, key: string | symbol, descriptor: { value?: Method<This, Message> }]
) => void;

type Handler = HandlerMethod<MessageSource<unknown>, SubscribesOptions<never>>;

const handlers = new HandlerMethods<MessageSource<unknown>, SubscribesOptions<never>>('@Subscribes');
const instances = new HandlerInstances<MessageSource<unknown>, SubscribesOptions<never>, Subscribers>(
  handlers,
  {
    call: 'bindSubscribers(caching, instance)',
    begin: subscribe,
    end: (subscribers) => subscribers.unsubscribe(),
    isBegunByContainers: () => true,
    warnOfSecond: (_caching, className) =>
      warnOnce(
        'CACHEMENT_SECOND_SUBSCRIBER',
        className,
        `The container has made a second ${className}, which has methods with @Subscribes. Only the first one receives ` +
          'messages. Register the class as a singleton, or subscribe each instance by bindSubscribers(caching, instance).',
      ),
  },
);

/**
 * Calls the method with each message of a channel or pattern. What it throws is an `error` event.
 *
 * A container that is registered with this library (tsyringe, NestJS, Inversify, Awilix, TypeDI, typed-inject) subscribes the
 * first instance of the class that it makes; `bindSubscribers` subscribes any instance. The method is called on the instance,
 * so an override in a subclass gets the messages.
 *
 * @param source of `defineChannel` or `definePattern`. The first parameter of the method accepts its messages
 * @throws DecorationError, OptionsError while the class is defined
 * @see docs/pubsub.md
 * @example
 * @Subscribes(userChanged, { concurrency: 4 })
 * async onUserChanged({ id }: { id: string }): Promise<void> { ... }
 */
export function Subscribes<This extends object, Message>(
  source: MessageSource<Message>,
  options: SubscribesOptions<This> = {},
): HandlerDecorator<This, NoInfer<Message>> {
  const decorate = (...args: readonly unknown[]): void => {
    handlers.add(args, (label) => {
      definitionOf(source, label);
      parseOptions(subscribesOptions, options, label);
      return { source, options };
    });
    onInstanceMade('@Subscribes', (instance, caching) => instances.made(instance, caching));
  };
  return decorate as HandlerDecorator<This, NoInfer<Message>>;
}

/** What an instance is subscribed to. */
export interface Subscribers {
  /** Resolves when all its methods receive messages. Rejects as `ready` of a subscription does. */
  readonly ready: Promise<void>;
  /** Ends its subscriptions, and waits for the messages that they have received. Never rejects. */
  unsubscribe(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Subscribes the methods with `@Subscribes` of an instance. Again for the same instance and `Caching`, it returns what it
 * returned before, until that has ended.
 *
 * @param caching the `Caching` whose messages are received
 * @param instance of a class with `@Subscribes`, its own or inherited
 * @throws OptionsError if the instance has no such method
 * @example
 * const subscribers = bindSubscribers(caching, listener);
 * await subscribers.ready;
 * await subscribers.unsubscribe();
 */
export function bindSubscribers(caching: Caching, instance: object): Subscribers {
  return instances.begin(caching, instance);
}

function subscribe(
  caching: Caching,
  instance: object,
  found: readonly Handler[],
  ended: () => void,
): Subscribers {
  const messages = pubsub(caching);
  const subscriptions = found.map((handler) => subscribeMethod(messages, instance, handler));
  const ready = Promise.all(subscriptions.map((one) => one.ready)).then(() => {});
  ready.catch(() => {});
  const unsubscribe = async (): Promise<void> => {
    ended();
    await Promise.all(subscriptions.map((one) => one.unsubscribe()));
  };
  return { ready, unsubscribe, [Symbol.asyncDispose]: unsubscribe };
}

function subscribeMethod(
  messages: ReturnType<typeof pubsub>,
  instance: object,
  { method, source, options }: Handler,
): Subscription {
  const { onInterrupted, ...others } = options;
  const name = `${instance.constructor.name}.${String(method)}`;
  return messages.subscribeMethod(
    source,
    // Read at each message, so that decorators of other libraries apply, and overrides.
    (message, context) =>
      (instance as Record<PropertyKey, Method<object, unknown>>)[method]!(message, context),
    { ...others, onInterrupted: onInterrupted?.bind(instance as never) },
    `@Subscribes on ${name}`,
    () => name,
  );
}
