import { Buffer } from 'node:buffer';
import { describe, quote } from '../shared/describe.js';
import { ValueError } from '../shared/errors.js';
import { SchemaRejection, validateBy } from '../values/schema.js';
import type { Restored, Serializer } from '../values/serializer.js';
import { decodeValue, encodeValue, JSON_CODEC } from '../values/value-codec.js';
import { MAX_DEPTH } from '../values/value-limits.js';
import type { SourceDefinition } from './channel.js';

/** The first byte of a JSON text: a token, or white space. No id of a codec is one of these. */
const JSON_START = /^[\t\n\r "[{\dtfn-]/;

/**
 * Encodes a message. A value that JSON keeps is sent as JSON, as others may do too. Any other is sent as the id of its codec
 * (value-codec.ts) in one byte, and the payload.
 *
 * @param serializer that of the `Caching`; undefined: it has no codecs
 * @throws ValueError for a message that the schema rejects, that would not come back equal, or that is too large
 */
export function encodeMessage(
  { name, schema, maxBytes }: SourceDefinition,
  serializer: Serializer | undefined,
  message: unknown,
): Buffer {
  if (schema !== undefined) {
    try {
      validateBy(schema, message);
    } catch (error) {
      if (!(error instanceof SchemaRejection)) throw error;
      throw new ValueError(
        `Expected a message that the schema of channel ${quote(name)} accepts: ${error.message}. Nothing was published.`,
        'rejected',
        { cause: error },
      );
    }
  }
  const limits = { maxBytes: Infinity, maxDepth: MAX_DEPTH };
  const { codec, payload } =
    serializer === undefined ? encodeValue(message, limits) : serializer.encode(message, limits);
  const bytes = codec === JSON_CODEC ? payload : Buffer.concat([Buffer.of(codec), payload]);
  if (bytes.length > maxBytes) {
    throw new ValueError(
      `Expected a message of at most ${maxBytes} bytes on channel ${quote(name)}; it has ${bytes.length}. Send a part of it, ` +
        'such as its id, or raise maxBytes of defineChannel.',
      'too-large',
    );
  }
  return bytes;
}

/**
 * Decodes a received message.
 * @throws ValueError for bytes that are no message, are too many, or that the schema rejects
 */
export function decodeMessage(
  { name, schema, maxBytes }: SourceDefinition,
  serializer: Serializer | undefined,
  bytes: Uint8Array,
): unknown {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length > maxBytes) {
    throw new ValueError(
      `Expected a message of at most ${maxBytes} bytes on channel ${quote(name)}; one of ${buffer.length} was received.`,
      'too-large',
    );
  }
  const isJson = JSON_START.test(buffer.toString('latin1', 0, 1));
  const codec = isJson ? JSON_CODEC : (buffer[0] ?? 0);
  const payload = isJson ? buffer : buffer.subarray(1);
  const decoded: Restored =
    serializer === undefined
      ? (decodeValue(codec, payload, maxBytes) ?? { cause: 'undecodable' })
      : serializer.decode(codec, payload, maxBytes);
  if (decoded.cause !== undefined) {
    throw new ValueError(
      `Expected a message that this version can read on channel ${quote(name)}; received ${describe(buffer.toString('latin1', 0, 40))}.`,
      'unsupported',
    );
  }
  if (schema === undefined) return decoded.value;
  try {
    return validateBy(schema, decoded.value);
  } catch (error) {
    if (!(error instanceof SchemaRejection)) throw error;
    throw new ValueError(
      `Expected a message that the schema of channel ${quote(name)} accepts: ${error.message}. No handler was called.`,
      'rejected',
      { cause: error },
    );
  }
}
