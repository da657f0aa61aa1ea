import { StoreUnavailableError } from './errors.js';
import { channels, type CachementEvents, type EventName } from './events.js';

/** Whom an event is about. */
export interface Subject {
  readonly key: string;
  /** `Class.method`; undefined for the plain verbs. */
  readonly method: string | undefined;
}

/** As much of it as is known. */
type About = { readonly [Name in keyof Subject]?: Subject[Name] | undefined };

/** Publishes the events of one namespace. While nobody listens it costs one property read. */
export class Reporter {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  publish<Name extends EventName>(
    name: Name,
    method: string | undefined,
    event: Omit<CachementEvents[Name], 'namespace' | 'method'>,
  ): void {
    const channel = channels[name];
    if (channel.hasSubscribers) channel.publish({ namespace: this.#namespace, method, ...event });
  }

  refused({ key, method }: Subject, reason: CachementEvents['refused']['reason']): void {
    this.publish('refused', method, { key, reason });
  }

  /** What no caller is told of. */
  error(operation: string, about: About, error: unknown): void {
    this.publish('error', about.method, { operation, key: about.key, error });
  }

  /** The one place where the store's failures pass: reported, and anything else is a defect that goes on. */
  unavailable(operation: string, about: About, error: unknown): StoreUnavailableError {
    this.error(operation, about, error);
    if (error instanceof StoreUnavailableError) return error;
    throw error;
  }

  /** Work that nobody waits for. */
  background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.error('background', {}, error));
  }
}
