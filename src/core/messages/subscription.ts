import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../ports/clock.js';
import type { MessageGap } from '../ports/message-bus.js';
import type { EventPublisher, MethodLabel } from '../shared/event-publisher.js';
import type { Serializer } from '../values/serializer.js';
import type { SourceDefinition } from './channel.js';
import { DeliveryQueue, type DeliveryLimits } from './delivery-queue.js';
import { decodeMessage } from './message-codec.js';
import type { Interruption } from './subscription-options.js';

/** What a handler gets with a message. */
export interface MessageContext {
  /** The name of the channel, without the namespace: `orders:eu`. */
  readonly channel: string;
  /** Aborts when the subscription has ended and its `drainTimeout` has passed. */
  readonly signal: AbortSignal;
}

/** A handler of messages. What it returns is awaited, and ignored. */
export type MessageHandler<Message> = (message: Message, context: MessageContext) => unknown;

/** A subscription of one handler. */
export interface Subscription {
  /**
   * Resolves when messages are received. While the store is unavailable it waits. It rejects with a StoreUnavailableError if
   * the server refuses the subscription, or if the subscription ends first.
   */
  readonly ready: Promise<void>;
  /** False before `ready`, while the connection is lost, and after the end. */
  readonly isReceiving: boolean;
  /** Ends the subscription, and waits for the messages that it has received, up to its `drainTimeout`. Never rejects. */
  unsubscribe(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Received {
  readonly channel: string;
  readonly payload: Uint8Array;
}

export interface SubscriptionSetup extends DeliveryLimits {
  readonly definition: SourceDefinition;
  readonly handler: MessageHandler<never>;
  readonly drainTimeout: number;
  readonly onInterrupted: ((interruption: Interruption) => unknown) | undefined;
  readonly serializer: Serializer | undefined;
  readonly clock: Clock;
  readonly events: EventPublisher;
  /** Undefined for the plain verb. */
  readonly method: MethodLabel | undefined;
}

/**
 * Runs a function in the context of the import, which is none. Otherwise handlers would run in that of whoever opened the
 * connection, or has published the message: its tenant, its lease, its request.
 */
// guard: handlers-run-in-no-request
const runOutside = AsyncLocalStorage.snapshot();

/** The messages of one handler: queue, decode, call. */
export class HandlerSubscription implements Subscription {
  readonly definition: SourceDefinition;
  readonly ready: Promise<void>;
  readonly #setup: SubscriptionSetup;
  readonly #queue: DeliveryQueue<Received>;
  readonly #abort = new AbortController();
  readonly #leave: (subscription: HandlerSubscription) => void;
  #resolveReady!: () => void;
  #rejectReady!: (error: Error) => void;
  #isReceiving = false;
  #hasReceived = false;
  #ended: Promise<void> | undefined;

  /** @param leave ends its part in the subscription of the bus */
  constructor(setup: SubscriptionSetup, leave: (subscription: HandlerSubscription) => void) {
    this.#setup = setup;
    this.#leave = leave;
    this.definition = setup.definition;
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // A failure is an event, too: nobody has to wait for `ready`.
    this.ready.catch(() => {});
    this.#queue = new DeliveryQueue(
      setup,
      (received) => runOutside(() => this.#handle(received)),
      () => this.#publishLoss('overflow', 1),
    );
  }

  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  receive(channel: string, payload: Uint8Array): void {
    if (this.definition.receives(channel)) this.#queue.push({ channel, payload });
  }

  interrupted(): void {
    this.#isReceiving = false;
  }

  resumed(gap: MessageGap | undefined): void {
    // guard: loss-concerns-those-who-received-before
    const hasMissed = this.#hasReceived;
    this.#isReceiving = this.#hasReceived = true;
    this.#resolveReady();
    if (gap === undefined || !hasMissed) return;
    const interruption = { from: new Date(gap.from), to: new Date(gap.to) };
    this.#publishLoss('interrupted', undefined, interruption);
    const { onInterrupted } = this.#setup;
    if (onInterrupted !== undefined) {
      void runOutside(() =>
        this.#report('interrupted', this.definition.name, () => onInterrupted(interruption)),
      );
    }
  }

  /** The subscription does not exist, and no attempt follows. */
  refused(error: Error): void {
    this.ended(error);
    this.#setup.events.publish('error', this.#setup.method, {
      operation: 'subscribe',
      key: this.definition.name,
      error,
    });
  }

  /** @param error that of those who still wait for `ready` */
  ended(error: Error): void {
    this.#isReceiving = false;
    this.#rejectReady(error);
  }

  unsubscribe(): Promise<void> {
    return (this.#ended ??= this.#end());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unsubscribe();
  }

  async #end(): Promise<void> {
    this.#leave(this);
    const { clock, drainTimeout } = this.#setup;
    // guard: received-messages-are-handled-before-the-end
    const dropped = await this.#queue.close(clock, drainTimeout);
    this.#abort.abort();
    if (dropped > 0) this.#publishLoss('closed', dropped);
  }

  /** Never rejects. */
  async #handle({ channel, payload }: Received): Promise<void> {
    const { definition, serializer, handler } = this.#setup;
    await this.#report('message', channel, () => {
      const message = decodeMessage(definition, serializer, payload);
      return handler(message as never, { channel, signal: this.#abort.signal });
    });
  }

  /** Publishes what `work` throws as an event. Never rejects. */
  async #report(operation: string, key: string, work: () => unknown): Promise<void> {
    const { events, method } = this.#setup;
    try {
      await work();
    } catch (error) {
      // guard: error-of-a-handler-is-an-event
      events.publish('error', method, { operation, key, error });
    }
  }

  #publishLoss(
    cause: 'interrupted' | 'overflow' | 'closed',
    count: number | undefined,
    { from, to }: Partial<Interruption> = {},
  ): void {
    const { events, method } = this.#setup;
    events.publish('messagesLost', method, { channel: this.definition.name, cause, count, from, to });
  }
}
