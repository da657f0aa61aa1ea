import { Buffer } from 'node:buffer';

/** A body that was read as a whole, or one that is too large: what was read of it, and then the rest. */
export type LimitedBody =
  | { readonly whole: Buffer; readonly rest?: undefined }
  | { readonly whole?: undefined; readonly rest: AsyncIterable<Uint8Array> };

/** Reads a body up to a number of bytes. Nothing of a larger one is lost. @throws what the body throws */
export async function readUpTo(
  body: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): Promise<LimitedBody> {
  const iterator = body[Symbol.asyncIterator]();
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return { whole: Buffer.concat(chunks) };
    const chunk = Buffer.from(next.value as Uint8Array);
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) return { rest: resume(chunks, iterator) };
  }
}

async function* resume(
  chunks: readonly Buffer[],
  iterator: AsyncIterator<Uint8Array | string>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield Buffer.from(next.value as Uint8Array);
    }
  } finally {
    // The client may leave before the end.
    await iterator.return?.();
  }
}
