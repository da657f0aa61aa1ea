import type { MessageBus, MessageListener, MessageSubject } from '../../core/ports/message-bus.js';
import { matchesPattern } from '../../core/shared/match-pattern.js';
import { closedError } from './while-open.js';

interface Subscription {
  readonly namespace: string;
  readonly subject: MessageSubject;
  readonly listener: MessageListener;
  readonly isClosed: () => boolean;
}

/** Messages in this process, between all `Caching` of one `memory()`. None is ever lost. */
export class MemoryMessages {
  readonly #subscriptions = new Set<Subscription>();

  /** The bus of one `Caching`. */
  open(namespace: string, isClosed: () => boolean): MessageBus {
    return {
      publish: async (channel, payload) => {
        if (isClosed()) throw closedError();
        const receivers = [...this.#subscriptions].filter(
          (one) => one.namespace === namespace && receives(one.subject, channel) && !one.isClosed(),
        );
        // Each gets bytes of its own, and none in the call of the publisher.
        for (const receiver of receivers) this.#deliver(receiver, channel.name, payload.slice());
        return receivers.length;
      },
      subscribe: (subject, listener) => {
        if (isClosed()) throw closedError();
        const subscription: Subscription = { namespace, subject, listener, isClosed };
        this.#subscriptions.add(subscription);
        queueMicrotask(() => {
          if (this.#subscriptions.has(subscription)) listener.resumed(undefined);
        });
        return () => void this.#subscriptions.delete(subscription);
      },
    };
  }

  #deliver(receiver: Subscription, channel: string, payload: Uint8Array): void {
    queueMicrotask(() => {
      if (this.#subscriptions.has(receiver)) receiver.listener.message(channel, payload);
    });
  }
}

function receives({ kind, name }: MessageSubject, channel: MessageSubject): boolean {
  if (kind !== 'pattern') return kind === channel.kind && name === channel.name;
  return channel.kind === 'channel' && matchesPattern(name, channel.name);
}
