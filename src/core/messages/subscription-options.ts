import type { Duration } from '../shared/duration.js';
import { callback, duration, integer, oneOf, type Option } from '../shared/option-schema.js';

/** The time in which messages of a subscription may have been lost, by the clock of this machine. */
export interface Interruption {
  /** All messages from before have been received. */
  readonly from: Date;
  /** All messages from after are received. */
  readonly to: Date;
}

/** The options of a subscription. */
export interface SubscribeOptions {
  /**
   * How many messages are handled at the same time, 1 or more. With 1 they are handled one after the other, in the order in
   * which they arrive.
   * @default 1
   */
  readonly concurrency?: number | undefined;
  /** How many messages wait for a handler at most. Beyond that they are dropped, as `overflow` says. @default 1000 */
  readonly maxQueue?: number | undefined;
  /**
   * What is dropped when `maxQueue` messages wait: the one that has waited longest, or the one that has just arrived. Each
   * dropped message is a `messagesLost` event.
   * @default 'drop-oldest'
   */
  readonly overflow?: 'drop-oldest' | 'drop-newest' | undefined;
  /**
   * How long the end of a subscription waits for messages that have been received: from 0 to 10 minutes. After it, those that
   * wait are dropped, and the `signal` of running handlers aborts.
   * @default '5s'
   */
  readonly drainTimeout?: Duration | undefined;
  /**
   * Called when messages are received again after the connection was lost: those that were published between `from` and `to`
   * may be lost. It is called before the handler gets the messages that follow. What it throws is an `error` event.
   */
  readonly onInterrupted?: ((interruption: Interruption) => unknown) | undefined;
}

/** The schema of `SubscribeOptions`. */
export const subscribeOptions = {
  concurrency: integer({ min: 1, default: 1 }),
  maxQueue: integer({ min: 0, default: 1_000 }),
  overflow: oneOf(['drop-oldest', 'drop-newest'], 'drop-oldest'),
  drainTimeout: duration({ min: 0, max: 600_000, default: '5s' }),
  onInterrupted: callback<(interruption: Interruption) => unknown>(),
} satisfies Record<keyof SubscribeOptions, Option<unknown>>;
