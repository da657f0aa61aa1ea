import { StoreUnavailableError } from './errors.js';
import { channels, type CachementEvents, type EventName } from './events.js';

/** `Class.method` of a decorated method, computed when an event is published. */
export type MethodLabel = () => string;

/** Whom an event is about. */
export interface EventSubject {
  readonly key: string;
  /** Undefined for the plain verbs. */
  readonly method: MethodLabel | undefined;
}

/** As much of it as is known. */
type PartialSubject = { readonly [Name in keyof EventSubject]?: EventSubject[Name] | undefined };

/** Publishes the events of one namespace. While nobody listens it costs one property read. */
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

  /** What no caller is told of. */
  error(operation: string, subject: PartialSubject, error: unknown): void {
    this.publish('error', subject.method, { operation, key: subject.key, error });
  }

  /** The one place where the store's failures pass: reported, and anything else is a defect that goes on. */
  unavailable(operation: string, subject: PartialSubject, error: unknown): StoreUnavailableError {
    this.error(operation, subject, error);
    if (error instanceof StoreUnavailableError) return error;
    throw error;
  }

  /** Work that nobody waits for. */
  background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.error('background', {}, error));
  }
}
