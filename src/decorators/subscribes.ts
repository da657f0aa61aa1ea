import { Caching } from '../core/caching.js';
import { definitionOf, type MessageSource } from '../core/messages/channel.js';
import type { MessageContext, Subscription } from '../core/messages/subscription.js';
import {
  subscribeOptions,
  type Interruption,
  type SubscribeOptions,
} from '../core/messages/subscription-options.js';
import { pubsub } from '../core/pubsub.js';
import { describe } from '../core/shared/describe.js';
import { OptionsError } from '../core/shared/errors.js';
import { parseOptions, type Option } from '../core/shared/option-schema.js';
import { shared, warnOnce } from '../core/shared/registry.js';
import type { MethodContext } from './shared/around.js';
import { HandlerMethods, type HandlerMethod } from './shared/handler-methods.js';
import { onInstanceMade, type InstanceWork } from './shared/made-instances.js';

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
/** What an instance is subscribed to, by `Caching`. */
const bindings = shared('message bindings', () => new WeakMap<Caching, WeakMap<object, Subscribers>>());
/** The classes of which a container has subscribed an instance, by `Caching`. */
const classes = shared('message classes', () => new WeakMap<Caching, WeakMap<object, object>>());

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
    onInstanceMade('@Subscribes', bindMade);
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
  if (!Caching.is(caching)) {
    throw new OptionsError(
      `bindSubscribers(caching, instance) takes a Caching, and ${describe(caching)} was given.`,
    );
  }
  const found = typeof instance === 'object' && instance !== null ? handlers.of(instance) : [];
  if (found.length === 0) {
    throw new OptionsError(
      `bindSubscribers(caching, instance) takes an instance with a method that has @Subscribes, and ${describe(instance)} was given.`,
    );
  }
  return bind(caching, instance, found);
}

function bind(caching: Caching, instance: object, found: readonly Handler[]): Subscribers {
  const ofCaching = bindings.get(caching) ?? new WeakMap<object, Subscribers>();
  bindings.set(caching, ofCaching);
  const known = ofCaching.get(instance);
  // guard: instance-is-subscribed-once
  if (known !== undefined) return known;
  const messages = pubsub(caching);
  const subscriptions = found.map((handler) => subscribeMethod(messages, instance, handler));
  const ready = Promise.all(subscriptions.map((one) => one.ready)).then(() => {});
  ready.catch(() => {});
  const unsubscribe = async (): Promise<void> => {
    ofCaching.delete(instance);
    await Promise.all(subscriptions.map((one) => one.unsubscribe()));
  };
  const subscribers = { ready, unsubscribe, [Symbol.asyncDispose]: unsubscribe };
  ofCaching.set(instance, subscribers);
  return subscribers;
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

/**
 * Subscribes an instance that a container has made, unless it has made another one of the class: a transient service must not
 * handle each message as often as it was resolved.
 */
function bindMade(instance: object, caching: Caching): InstanceWork | undefined {
  const found = handlers.of(instance);
  if (found.length === 0) return undefined;
  const made = classes.get(caching) ?? new WeakMap<object, object>();
  classes.set(caching, made);
  const owner = instance.constructor;
  const first = made.get(owner);
  // guard: one-instance-of-a-class-is-subscribed
  if (first !== undefined && first !== instance) {
    warnOnce(
      'CACHEMENT_SECOND_SUBSCRIBER',
      owner.name,
      `The container has made a second ${owner.name}, which has methods with @Subscribes. Only the first one receives ` +
        'messages. Register the class as a singleton, or subscribe each instance by bindSubscribers(caching, instance).',
    );
    return undefined;
  }
  made.set(owner, instance);
  const subscribers = bind(caching, instance, found);
  return {
    end: async () => {
      made.delete(owner);
      await subscribers.unsubscribe();
    },
  };
}
