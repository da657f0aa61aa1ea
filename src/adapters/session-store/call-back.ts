import type { EventPublisher } from '../../core/shared/event-publisher.js';

/**
 * Passes the outcome to a callback, once and in a tick of its own: what the callback throws is its caller's, as with other
 * asynchronous functions of Node.js, and does not call it again. An error without a callback is published as an event.
 */
export function callBack<T>(
  work: Promise<T>,
  callback: ((error: unknown, value?: T) => void) | undefined,
  events: EventPublisher,
): void {
  work.then(
    (value) => {
      // guard: callback-is-called-once
      if (callback !== undefined) setImmediate(callback, null, value);
    },
    (error: unknown) => {
      if (callback === undefined) events.error('session', {}, error);
      else setImmediate(callback, error);
    },
  );
}
