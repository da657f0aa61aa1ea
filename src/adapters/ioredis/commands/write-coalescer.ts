import type { Stream } from '../connection/client-types.js';

/** After this number of bytes a packet is sent, so that the server can start while the rest of the tick is written. */
const FLUSH_BYTES = 2_000;

/** Sends the writes of one tick in few packets, because each write to a socket is a system call. */
export class WriteCoalescer {
  readonly #streams: () => readonly Stream[];
  #corked: readonly Stream[] | undefined;

  /** @param streams returns the sockets that are open now */
  constructor(streams: () => readonly Stream[]) {
    this.#streams = streams;
  }

  /** Called before each write. Buffers writes until there are `FLUSH_BYTES`, or until the end of the tick. */
  cork(): void {
    if (this.#corked === undefined) {
      this.#corked = this.#streams();
      for (const stream of this.#corked) stream.cork();
      process.nextTick(this.#uncork);
      return;
    }
    for (const stream of this.#corked) {
      if (stream.writableLength < FLUSH_BYTES) continue;
      stream.uncork();
      stream.cork();
    }
  }

  readonly #uncork = (): void => {
    const corked = this.#corked ?? [];
    this.#corked = undefined;
    for (const stream of corked) stream.uncork();
  };
}
