import type { Clock } from '../../../core/ports/clock.js';
import type { MessageListener } from '../../../core/ports/message-bus.js';

/** The commands that end a subscription, by the one that makes it. */
export const END_OF = {
  subscribe: 'unsubscribe',
  psubscribe: 'punsubscribe',
  ssubscribe: 'sunsubscribe',
} as const;

/** One subscription of the bus. It may move from one connection to another. */
export class Receiver {
  readonly command: keyof typeof END_OF;
  /** The channel or pattern in Redis. */
  readonly name: string;
  /** The prefix that the channels have in Redis. */
  readonly prefix: string;
  readonly listener: MessageListener;
  readonly #clock: Clock;
  /** When the latest SUBSCRIBE was sent, by the clock; undefined: messages are not received. */
  #since: number | undefined;
  /** Since when messages may have been lost, in ms since 1970; undefined: they are received, or never were. */
  #lostSince: number | undefined;
  /** True while a SUBSCRIBE has no reply. */
  isPending = false;

  constructor(
    command: keyof typeof END_OF,
    name: string,
    prefix: string,
    listener: MessageListener,
    clock: Clock,
  ) {
    this.command = command;
    this.name = name;
    this.prefix = prefix;
    this.listener = listener;
    this.#clock = clock;
  }

  /** Identifies it on its connection. */
  get id(): string {
    return `${this.command} ${this.name}`;
  }

  get isReceiving(): boolean {
    return this.#since !== undefined;
  }

  /** @param sentAt when its SUBSCRIBE was sent, by the clock */
  resume(sentAt: number): void {
    const from = this.#lostSince;
    this.#since = sentAt;
    this.#lostSince = undefined;
    this.listener.resumed(from === undefined ? undefined : { from, to: Date.now() });
  }

  /** @param confirmedAt all messages from before this time have been received, by the clock */
  interrupt(confirmedAt: number): void {
    if (this.#since === undefined) return;
    // guard: gap-begins-with-the-last-confirmed-message
    const from = Math.max(confirmedAt, this.#since);
    this.#since = undefined;
    this.#lostSince = Date.now() - (this.#clock.now() - from);
    this.listener.interrupted();
  }
}
