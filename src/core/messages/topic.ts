import type { MessageBus, MessageGap, MessageListener, MessageSubject } from '../ports/message-bus.js';
import type { HandlerSubscription } from './subscription.js';

/** One subscription of the bus, for all handlers of this process that have the same subject. */
export class Topic implements MessageListener {
  readonly #handlers = new Set<HandlerSubscription>();
  readonly #leave: () => void;
  readonly #onRefused: () => void;
  #isReceiving = false;

  /**
   * @param onRefused called when the store has refused it: no handler can be added any more
   * @throws StoreUnavailableError if the bus is closed
   */
  constructor(bus: MessageBus, subject: MessageSubject, onRefused: () => void) {
    this.#onRefused = onRefused;
    this.#leave = bus.subscribe(subject, this);
  }

  get isUnused(): boolean {
    return this.#handlers.size === 0;
  }

  add(handler: HandlerSubscription): void {
    this.#handlers.add(handler);
    if (this.#isReceiving) handler.resumed(undefined);
  }

  remove(handler: HandlerSubscription): void {
    if (this.#handlers.delete(handler) && this.isUnused) this.#leave();
  }

  message(channel: string, payload: Uint8Array): void {
    for (const handler of this.#handlers) handler.receive(channel, payload);
  }

  resumed(gap: MessageGap | undefined): void {
    this.#isReceiving = true;
    for (const handler of [...this.#handlers]) handler.resumed(gap);
  }

  interrupted(): void {
    this.#isReceiving = false;
    for (const handler of this.#handlers) handler.interrupted();
  }

  refused(error: Error): void {
    this.#onRefused();
    const handlers = [...this.#handlers];
    this.#handlers.clear();
    for (const handler of handlers) handler.refused(error);
  }
}
