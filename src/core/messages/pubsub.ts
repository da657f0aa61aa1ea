import type { Clock } from '../ports/clock.js';
import type { MessageBus } from '../ports/message-bus.js';
import { describe } from '../shared/describe.js';
import { OptionsError, StoreUnavailableError } from '../shared/errors.js';
import { EventPublisher, type MethodLabel } from '../shared/event-publisher.js';
import { defaultsOf, parseOptions, resolveOptions } from '../shared/option-schema.js';
import type { Serializer } from '../values/serializer.js';
import { definitionOf, type MessageChannel, type MessageSource } from './channel.js';
import { encodeMessage } from './message-codec.js';
import { subscribeOptions, type SubscribeOptions } from './subscription-options.js';
import { HandlerSubscription, type MessageHandler, type Subscription } from './subscription.js';
import { Topic } from './topic.js';

export interface PubSubSetup {
  readonly namespace: string;
  readonly clock: Clock;
  readonly bus: MessageBus;
  /** That of the `Caching`; undefined: it has no codecs. */
  readonly serializer: Serializer | undefined;
  /** False: nothing is published or received. */
  readonly enabled: boolean;
}

const DEFAULTS = defaultsOf(subscribeOptions);

/**
 * Publishes and receives messages on the store of a `Caching`: at most once, and in order for each publisher and channel.
 *
 * @example
 * const userChanged = defineChannel<{ id: string }>('user.changed');
 * const messages = pubsub(caching);
 * const subscription = messages.subscribe(userChanged, async ({ id }) => warm(id));
 * await subscription.ready;
 * await messages.publish(userChanged, { id: '42' });
 */
export class PubSub {
  readonly #setup: PubSubSetup;
  readonly #events: EventPublisher;
  readonly #topics = new Map<string, Topic>();
  readonly #subscriptions = new Set<HandlerSubscription>();
  #closed = false;

  /** @internal use `pubsub(caching)` */
  constructor(setup: PubSubSetup) {
    this.#setup = setup;
    this.#events = new EventPublisher(setup.namespace);
  }

  /**
   * Publishes a message.
   *
   * @returns how many subscriptions have received it: one for each connected process, and one more for each of its patterns
   * that match. Undefined in a Redis Cluster, unless the channel is sharded
   * @throws ValueError for a message that the schema rejects, that cannot be encoded, or that is too large: nothing is sent
   * @throws KeyError if the name of the channel cannot be built from the message
   * @throws StoreUnavailableError if the store does not confirm it. With `outcome: 'unknown'` it may have been sent
   * @example
   * await pubsub(caching).publish(userChanged, { id: '42' });
   */
  async publish<Input>(
    channel: MessageChannel<unknown, Input>,
    message: NoInfer<Input>,
  ): Promise<number | undefined> {
    const definition = definitionOf(channel, 'publish');
    definition.checkIsChannel('publish');
    const subject = definition.channelOf(message);
    // guard: refused-message-is-not-sent
    const payload = encodeMessage(definition, this.#setup.serializer, message);
    return this.#setup.enabled ? this.#setup.bus.publish(subject, payload) : 0;
  }

  /**
   * Calls a handler with each message of a channel, of all channels of a template, or of a pattern.
   *
   * What the handler throws is an `error` event, and stops neither this handler nor another one. A message that the schema of
   * the channel rejects is an `error` event, and the handler is not called.
   *
   * @throws OptionsError
   * @example
   * const subscription = pubsub(caching).subscribe(userChanged, async ({ id }) => warm(id));
   * await subscription.unsubscribe();
   */
  subscribe<Message>(
    source: MessageSource<Message>,
    handler: MessageHandler<NoInfer<Message>>,
    options: SubscribeOptions = {},
  ): Subscription {
    return this.subscribeMethod(source, handler, options, 'subscribe', undefined);
  }

  /**
   * Resolves when all present subscriptions receive messages, those of `@Subscribes` too.
   *
   * @throws StoreUnavailableError if one of them was refused, or has ended meanwhile
   * @example
   * await pubsub(caching).ready();
   */
  async ready(): Promise<void> {
    await Promise.all([...this.#subscriptions].map(({ ready }) => ready));
  }

  /**
   * Ends all subscriptions, and waits for the messages that they have received, up to the `drainTimeout` of each.
   * `caching.close()` does the same. Later subscriptions are refused. Never rejects.
   *
   * @example
   * await pubsub(caching).close();
   */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.unsubscribe()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * @internal `subscribe` for a decorated method
   * @param label names the call in errors
   * @param method names the method in events
   */
  subscribeMethod(
    source: MessageSource<unknown>,
    handler: MessageHandler<never>,
    options: SubscribeOptions,
    label: string,
    method: MethodLabel | undefined,
  ): Subscription {
    const definition = definitionOf(source, label);
    if (typeof handler !== 'function') {
      throw new OptionsError(
        `${label} takes a function that handles messages, and ${describe(handler)} was given.`,
      );
    }
    const resolved = resolveOptions(parseOptions(subscribeOptions, options, label), DEFAULTS);
    const { clock, serializer, enabled } = this.#setup;
    const subscription = new HandlerSubscription(
      { ...resolved, definition, handler, serializer, clock, events: this.#events, method },
      (one) => this.#leave(one),
    );
    this.#subscriptions.add(subscription);
    try {
      if (this.#closed)
        throw new StoreUnavailableError('The messages of this Caching are closed.', 'refused');
      if (enabled) this.#join(subscription);
      else subscription.resumed(undefined);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      subscription.refused(error);
    }
    return subscription;
  }

  #join(subscription: HandlerSubscription): void {
    const { subject } = subscription.definition;
    const id = `${subject.kind} ${subject.name}`;
    let topic = this.#topics.get(id);
    if (topic === undefined) {
      topic = new Topic(this.#setup.bus, subject, () => this.#topics.delete(id));
      this.#topics.set(id, topic);
    }
    topic.add(subscription);
  }

  #leave(subscription: HandlerSubscription): void {
    this.#subscriptions.delete(subscription);
    subscription.ended(new StoreUnavailableError('The subscription has ended.', 'refused'));
    const { subject } = subscription.definition;
    const id = `${subject.kind} ${subject.name}`;
    const topic = this.#topics.get(id);
    topic?.remove(subscription);
    if (topic?.isUnused === true) this.#topics.delete(id);
  }
}
