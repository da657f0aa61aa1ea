import { Buffer } from 'node:buffer';
import { nodeZlib } from '../shared/builtin-modules.js';
import { describe } from '../shared/describe.js';
import { ValueError } from '../shared/errors.js';
import { isPlainJson } from './plain-json.js';
import { findUnsupported, type UnsupportedValue } from './unsupported-value.js';
import { parseRich, stringifyRich } from './rich-json.js';
import { MAX_DEPTH, type ValueLimits } from './value-limits.js';

/**
 * Encodes a value as the payload of an entry, and decodes it. A value comes back equal, or it is rejected with a ValueError.
 *
 * Supported: null, undefined, booleans, strings (lone surrogates too), numbers (NaN, the infinities and -0 too),
 * BigInt, plain objects and those without a prototype, arrays (with holes too), Map, Set, Date, RegExp, URL,
 * URLSearchParams, Buffer, ArrayBuffer, typed arrays and DataView. Accessors are read.
 *
 * Rejected: instances of classes, errors, functions, symbols, promises, an own key `__proto__`, extra properties of
 * arrays, Maps and similar (those of byte arrays are dropped), and values over the limits.
 *
 * The id of the codec is in the header of the entry (ports/entry-format.ts), so the meaning of an id never changes:
 *
 *     1   JSON. Shared references come back as equal copies.
 *     2   JSON as devalue writes it, which also keeps shared and cyclic references (rich-json.ts)
 *     3   the bytes of a Buffer, then their CRC-32, u32 BE
 *     4   the bytes of a Uint8Array, then their CRC-32, u32 BE
 *
 * Damaged text is detected by its syntax. Bytes have none, so they have a checksum.
 */
export const JSON_CODEC = 1;
export const RICH_CODEC = 2;
export const BUFFER_CODEC = 3;
export const BYTES_CODEC = 4;

const MAX_PATH_LENGTH = 300;
const CHECKSUM_BYTES = 4;

export interface EncodedValue {
  readonly codec: number;
  readonly payload: Buffer;
}

/**
 * Encodes a value with the first codec that keeps it. The payload shares no memory with the value.
 *
 * @throws ValueError with the path for a part that would not come back equal, and for a value over the limits
 */
export function encodeValue(value: unknown, limits: ValueLimits): EncodedValue {
  try {
    return encodeByFirst(value, limits);
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

function encodeByFirst(value: unknown, limits: ValueLimits): EncodedValue {
  if (ArrayBuffer.isView(value)) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Buffer.prototype) return encodeBytes(BUFFER_CODEC, value, limits);
    if (prototype === Uint8Array.prototype) return encodeBytes(BYTES_CODEC, value, limits);
  }
  if (isPlainJson(value, limits)) return encodeText(JSON_CODEC, JSON.stringify(value), limits);
  const problem = findUnsupported(value, limits);
  if (problem) throw valueError(problem);
  return encodeText(RICH_CODEC, stringifyRich(value), limits);
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
 * value has no own property `__proto__` and shares no memory with the payload.
 */
export function decodeValue(codec: number, payload: Buffer): { readonly value: unknown } | undefined {
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
      default:
        return undefined;
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
