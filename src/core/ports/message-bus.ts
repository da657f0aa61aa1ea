/**
 * What messages are received for. `channel`: the messages that are published to a name. `pattern`: those of all channels
 * whose name matches, with `*` for any characters. `sharded`: as `channel`, by the sharded pub/sub of a Redis Cluster; its
 * messages are received by `sharded` only.
 */
export interface MessageSubject {
  readonly kind: 'channel' | 'pattern' | 'sharded';
  /** Without the namespace. It contains none of `?[]\`, and `*` only in a pattern. */
  readonly name: string;
}

/** A time in which messages may have been lost, by the wall clock of this process, in ms since 1970. */
export interface MessageGap {
  /** All earlier messages have been received. */
  readonly from: number;
  /** All later ones are received. */
  readonly to: number;
}

/** Receives the messages of one subject. It must not throw. */
export interface MessageListener {
  /** @param channel its name, without the namespace */
  message(channel: string, payload: Uint8Array): void;
  /** Messages are received from now on. @param gap undefined the first time */
  resumed(gap: MessageGap | undefined): void;
  /** Messages may be lost from now on, until `resumed`. */
  interrupted(): void;
  /** The store has refused the subscription, and will not be asked again. */
  refused(error: Error): void;
}

/** Messages between processes: at most once, in order for each publisher and channel. */
export interface MessageBus {
  /**
   * @param channel not a pattern
   * @returns how many subscriptions have received it: one for each connection, and one more for each pattern of it that
   * matches. Undefined if the store does not know
   * @throws StoreUnavailableError
   */
  publish(channel: MessageSubject, payload: Uint8Array): Promise<number | undefined>;
  /**
   * Receives messages until the returned function is called. There is one listener for each subject.
   *
   * @throws StoreUnavailableError if the bus is closed
   */
  subscribe(subject: MessageSubject, listener: MessageListener): () => void;
}
