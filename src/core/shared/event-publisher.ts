import { StoreUnavailableError } from './errors.js';
import { channels, type CachementEvents, type EventName } from './events.js';

/** `Class.method` of a decorated method, computed when an event is published. */
export type MethodLabel = () => string;

/** The subject of an event. */
export interface EventSubject {
  /** The logical key. */
  readonly key: string;
  /** Undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
}

/** The known part of a subject. */
type PartialSubject = { readonly [Name in keyof EventSubject]?: EventSubject[Name] | undefined };

/** Publishes the events of one namespace. Without subscribers, publishing costs one property read. */
export class EventPublisher {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  publish<Name extends EventName>(
    name: Name,
    method: MethodLabel | undefined,
    event: Omit<CachementEvents[Name], 'namespace' | 'method'>,
  ): void {
    const channel = channels[name];
    if (channel.hasSubscribers) channel.publish({ namespace: this.#namespace, method: method?.(), ...event });
  }

  notStored({ key, method }: EventSubject, reason: CachementEvents['notStored']['reason']): void {
    this.publish('notStored', method, { key, reason });
  }

  /** Publishes an error that no caller receives. */
  error(operation: string, subject: PartialSubject, error: unknown): void {
    this.publish('error', subject.method, { operation, key: subject.key, error });
  }

  /**
   * Publishes a failure of the store and returns it. Any other error is a defect of this library and is thrown again, so
   * that it is not mistaken for an unavailable store.
   */
  unavailable(operation: string, subject: PartialSubject, error: unknown): StoreUnavailableError {
    this.error(operation, subject, error);
    if (error instanceof StoreUnavailableError) return error;
    throw error;
  }

  /** Publishes the error of work that no caller awaits. */
  background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.error('background', {}, error));
  }
}
