import type { Stream } from '../connection/client-types.js';

/** Bytes after which a packet leaves, so that the server works on them while the rest of the tick is written. */
const FLUSH_BYTES = 2_000;

/** Lets what is written within a tick leave in few packets: each write to a socket is a call of the system. */
export class WriteCoalescer {
  readonly #streams: () => readonly Stream[];
  #corked: readonly Stream[] | undefined;

  /** @param streams those of this moment */
  constructor(streams: () => readonly Stream[]) {
    this.#streams = streams;
  }

  /** Before each write: holds back what is written until there is enough of it, or until the end of the tick. */
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
