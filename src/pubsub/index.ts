export {
  defineChannel,
  definePattern,
  type ChannelOptions,
  type MessageChannel,
  type MessagePattern,
  type MessageSource,
  type PatternOptions,
} from '../core/messages/channel.js';
export type { PubSub } from '../core/messages/pubsub.js';
export type { MessageContext, MessageHandler, Subscription } from '../core/messages/subscription.js';
export type { Interruption, SubscribeOptions } from '../core/messages/subscription-options.js';
export { pubsub } from '../core/pubsub.js';
export { Publishes, type PublishesFields, type PublishesOptions } from '../decorators/publishes.js';
export {
  bindSubscribers,
  Subscribes,
  type HandlerDecorator,
  type Subscribers,
  type SubscribesOptions,
} from '../decorators/subscribes.js';
