import { Buffer } from 'node:buffer';
import { nodeZlib } from '../shared/builtin-modules.js';

/** The bit in the id of a codec that says: the payload is compressed. */
export const COMPRESSED = 0x80;

const LENGTH_BYTES = 4;

/**
 * Compresses a payload with zlib, at its fastest level: the length of the payload, u32 BE, then the stream. Synchronous:
 * this takes less time than the encoding of the value before it.
 *
 * @returns undefined if that is not smaller
 */
export function compress(payload: Buffer): Buffer | undefined {
  const zlib = nodeZlib();
  const stream = zlib.deflateSync(payload, { level: zlib.constants.Z_BEST_SPEED });
  if (stream.length + LENGTH_BYTES >= payload.length) return undefined;
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(payload.length);
  return Buffer.concat([length, stream]);
}

/** @throws for an invalid stream, and for one that is longer than it says or than `maxBytes`, of which no more is expanded */
export function decompress(compressed: Buffer, maxBytes: number): Buffer {
  const length = compressed.readUInt32BE(0);
  // guard: expansion-has-a-bound
  if (length > maxBytes) throw new RangeError('Expected a smaller value.');
  // guard: expansion-is-not-longer-than-it-says
  const options = { maxOutputLength: length };
  const payload = nodeZlib().inflateSync(compressed.subarray(LENGTH_BYTES), options);
  if (payload.length < length) throw new RangeError('Expected a longer value.');
  return payload;
}

/** The size of a payload before its compression, in bytes. */
export function expandedLength(codec: number, payload: Buffer): number {
  return (codec & COMPRESSED) === 0 ? payload.length : payload.readUInt32BE(0);
}
