import { Buffer } from 'node:buffer';
import { nodeZlib } from '../shared/builtin-modules.js';
import { describe, quote } from '../shared/describe.js';
import { ValueError } from '../shared/errors.js';
import { COMPRESSED, compress, decompress } from './compression.js';
import { decodePayload, encodePayload, type PayloadCodec } from './payload-codec.js';
import { isPlainJson } from './plain-json.js';
import type { TypeCodecs } from './type-codec.js';
import { findUnsupported, type UnsupportedValue } from './unsupported-value.js';
import { parseRich, stringifyRich } from './rich-json.js';
import { MAX_DEPTH, MAX_VALUE_BYTES, type ValueLimits } from './value-limits.js';

/**
 * Encodes a value as the payload of an entry, and decodes it. A value comes back equal, or it is rejected with a ValueError.
 *
 * Supported: null, undefined, booleans, strings (lone surrogates too), numbers (NaN, the infinities and -0 too),
 * BigInt, plain objects and those without a prototype, arrays (with holes too), Map, Set, Date, RegExp, URL,
 * URLSearchParams, Buffer, ArrayBuffer, typed arrays and DataView. Accessors are read.
 *
 * Rejected: instances of classes without a codec (type-codec.ts), errors, functions, symbols, promises, an own key `__proto__`, extra properties of
 * arrays, Maps and similar (those of byte arrays are dropped), and values over the limits.
 *
 * The id of the codec is in the header of the entry (ports/entry-format.ts), so the meaning of an id never changes:
 *
 *     1   JSON. Shared references come back as equal copies.
 *     2   JSON as devalue writes it, which also keeps shared and cyclic references (rich-json.ts)
 *     3   the bytes of a Buffer, then their CRC-32, u32 BE
 *     4   the bytes of a Uint8Array, then their CRC-32, u32 BE
 *     5   as 2, with instances of classes that have a codec
 *     6   a codec of the user: the length of its name, u8, its name, its bytes, then the CRC-32 of all that, u32 BE
 *     128 + one of these: compressed (compression.ts)
 *     7, 8  sealed (seal/sealed-entries.ts), in which one of the others is
 *
 * Damaged text is detected by its syntax. Bytes have none, so they have a checksum.
 */
export const JSON_CODEC = 1;
export const RICH_CODEC = 2;
export const BUFFER_CODEC = 3;
export const BYTES_CODEC = 4;
export const INSTANCES_CODEC = 5;
export const PAYLOAD_CODEC = 6;

const MAX_PATH_LENGTH = 300;
const CHECKSUM_BYTES = 4;

export interface EncodedValue {
  readonly codec: number;
  readonly payload: Buffer;
}

/** The codecs of the user, for writing. */
interface Encoders {
  readonly codec: PayloadCodec | undefined;
  readonly types: TypeCodecs | undefined;
}

/** The codecs of the user, for reading. */
interface Decoders {
  readonly codecs: readonly PayloadCodec[];
  readonly types: TypeCodecs | undefined;
}

/**
 * Encodes a value with the first codec that keeps it: that of the user, if there is one, and then the standard ones. The
 * payload shares no memory with the value.
 *
 * @throws ValueError with the path for a part that would not come back equal, and for a value over the limits
 */
export function encodeValue(value: unknown, limits: ValueLimits, encoders?: Encoders): EncodedValue {
  try {
    const encoded = encodeByFirst(value, limits, encoders);
    return encoded.payload.length < (limits.compressFrom ?? Infinity) ? encoded : compressed(encoded);
  } catch (error) {
    if (error instanceof ValueError) throw error;
    throw new ValueError(
      `Expected a value that can be read; reading ${describe(value)} threw an error or gave different results. ` +
        'Return data, not accessors.',
      'unsupported',
      { cause: error },
    );
  }
}

function compressed(encoded: EncodedValue): EncodedValue {
  const payload = compress(encoded.payload);
  return payload === undefined ? encoded : { codec: encoded.codec | COMPRESSED, payload };
}

function encodeByFirst(value: unknown, limits: ValueLimits, encoders: Encoders | undefined): EncodedValue {
  const byCodec = encoders?.codec && encodeByCodec(encoders.codec, value, limits);
  if (byCodec !== undefined) return byCodec;
  if (ArrayBuffer.isView(value)) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Buffer.prototype) return encodeBytes(BUFFER_CODEC, value, limits);
    if (prototype === Uint8Array.prototype) return encodeBytes(BYTES_CODEC, value, limits);
  }
  if (isPlainJson(value, limits)) return encodeText(JSON_CODEC, JSON.stringify(value), limits);
  const instances = encoders?.types && { codecs: encoders.types, encoded: new Map() };
  const problem = findUnsupported(value, limits, instances);
  if (problem) throw valueError(problem);
  const codec = instances === undefined || instances.encoded.size === 0 ? RICH_CODEC : INSTANCES_CODEC;
  return encodeText(codec, stringifyRich(value, instances), limits);
}

/** @returns undefined if the codec leaves the value to the standard ones */
function encodeByCodec(codec: PayloadCodec, value: unknown, limits: ValueLimits): EncodedValue | undefined {
  let bytes: unknown;
  try {
    bytes = codec.encode(value);
  } catch (cause) {
    throw new ValueError(
      `Expected a value that the codec ${quote(codec.name)} encodes; for ${describe(value)} it threw an error (see cause).`,
      'unsupported',
      { cause },
    );
  }
  if (bytes === undefined) return undefined;
  if (!(bytes instanceof Uint8Array)) {
    throw new ValueError(
      `Expected encode of the codec ${quote(codec.name)} to return a Uint8Array or undefined; it returned ${describe(bytes)}.`,
      'unsupported',
    );
  }
  checkSize(bytes.length, limits);
  return { codec: PAYLOAD_CODEC, payload: encodePayload(codec, bytes) };
}

function valueError({ path, found, hint, reason, cause }: UnsupportedValue): ValueError {
  return new ValueError(
    `Expected a value that comes back equal from the store; found ${found} at value${cut(path)}. ${hint}`,
    reason,
    cause === undefined ? undefined : { cause },
  );
}

function cut(path: string): string {
  return path.length > MAX_PATH_LENGTH ? `${path.slice(0, MAX_PATH_LENGTH)}...` : path;
}

function encodeBytes(codec: number, bytes: ArrayBufferView, limits: ValueLimits): EncodedValue {
  checkSize(bytes.byteLength + CHECKSUM_BYTES, limits);
  const shown = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const payload = Buffer.allocUnsafe(shown.length + CHECKSUM_BYTES);
  shown.copy(payload);
  payload.writeUInt32BE(nodeZlib().crc32(shown), shown.length);
  return { codec, payload };
}

function encodeText(codec: number, text: string, limits: ValueLimits): EncodedValue {
  checkSize(text.length, limits);
  const payload = Buffer.from(text);
  checkSize(payload.length, limits);
  return { codec, payload };
}

function checkSize(bytes: number, { maxBytes }: ValueLimits): void {
  if (bytes <= maxBytes) return;
  throw new ValueError(
    `Expected at most ${maxBytes} bytes; the encoded value has ${bytes}. Cache a part of it, or raise maxValueBytes.`,
    'too-large',
  );
}

/**
 * Decodes a payload from untrusted bytes. Returns undefined for an unknown codec and an invalid payload; never throws. The
 * value has no own property `__proto__` and shares no memory with the payload; what a codec of the user returns is up to it.
 *
 * @param maxBytes to which a compressed payload may expand
 */
export function decodeValue(
  codec: number,
  payload: Buffer,
  maxBytes: number = MAX_VALUE_BYTES,
  decoders?: Decoders,
): { readonly value: unknown } | undefined {
  try {
    switch (codec) {
      case JSON_CODEC:
        return { value: parseJson(payload.toString('utf8')) };
      case RICH_CODEC:
        return { value: parseRich(payload.toString('utf8')) };
      case BUFFER_CODEC:
        return { value: Buffer.from(checkedBytes(payload)) };
      case BYTES_CODEC:
        return { value: new Uint8Array(checkedBytes(payload)) };
      case INSTANCES_CODEC:
        return { value: parseRich(payload.toString('utf8'), decoders?.types) };
      case PAYLOAD_CODEC:
        return { value: decodePayload(decoders?.codecs ?? [], payload) };
      default:
        // A compressed payload is not compressed again: the bit is gone.
        if ((codec & COMPRESSED) === 0) return undefined;
        return decodeValue(codec & ~COMPRESSED, decompress(payload, maxBytes), maxBytes, decoders);
    }
  } catch {
    return undefined;
  }
}

/** @throws RangeError if the checksum is missing or wrong */
function checkedBytes(payload: Buffer): Buffer {
  const end = payload.length - CHECKSUM_BYTES;
  const bytes = payload.subarray(0, end);
  // guard: bytes-have-their-checksum
  if (payload.readUInt32BE(end) !== nodeZlib().crc32(bytes))
    throw new RangeError('Expected another checksum: the bytes are damaged.');
  return bytes;
}

/**
 * `JSON.parse` for untrusted text. Rejects the key `__proto__`, which can change the prototype of a copy, and values that
 * are nested deeper than `MAX_DEPTH`.
 *
 * @throws SyntaxError
 */
function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (isSuspect(text) && !isPlainJson(value, { maxBytes: Infinity, maxDepth: MAX_DEPTH })) {
    throw new SyntaxError(
      'Expected JSON as this library writes it, got a `__proto__` key or too deep a nesting.',
    );
  }
  return value;
}

/** True if the text may have a key `__proto__`, also written with escapes, or too many levels. Most texts do not. */
function isSuspect(text: string): boolean {
  return text.includes('__proto__') || text.includes('\\u00') || hasManyBrackets(text);
}

function hasManyBrackets(text: string): boolean {
  if (text.length < 2 * MAX_DEPTH) return false;
  let count = 0;
  for (const bracket of '{[') {
    for (let index = text.indexOf(bracket); index >= 0; index = text.indexOf(bracket, index + 1)) {
      count++;
      if (count > MAX_DEPTH) return true;
    }
  }
  return false;
}
