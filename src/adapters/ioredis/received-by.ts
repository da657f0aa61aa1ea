import type { RedisClient } from './client.js';

/** Counts what arrives at a client, over all its connections. */
export function receivedBy(client: () => RedisClient | undefined): () => number {
  let stream: object | undefined;
  let before = 0;
  let count = 0;
  return () => {
    const current = client()?.stream;
    if (current !== stream) {
      stream = current;
      before = count + 1;
    }
    return (count = before + (current?.bytesRead ?? 0));
  };
}
