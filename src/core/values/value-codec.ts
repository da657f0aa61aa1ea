import { Buffer } from 'node:buffer';
import { nodeZlib } from '../shared/builtin-modules.js';
import { describe } from '../shared/describe.js';
import { ValueError } from '../shared/errors.js';
import { isPlainJson } from './plain-json.js';
import { findUnsupported, type UnsupportedValue } from './unsupported-value.js';
import { parseRich, stringifyRich } from './rich-json.js';
import { MAX_DEPTH, type ValueLimits } from './value-limits.js';

/**
 * How a value becomes the payload of an entry, and back. What is encoded comes back equal, or is refused:
 *
 * Kept: null, undefined, booleans, strings (lone surrogates too), numbers (NaN, the infinities and -0 too),
 * BigInt, plain objects and those without a prototype, arrays (with holes too), Map, Set, Date, RegExp, URL,
 * URLSearchParams, Buffer, ArrayBuffer, typed arrays and DataView. Accessors are read.
 *
 * Refused: instances of classes, errors, functions, symbols, promises, an own key `__proto__`, properties on
 * arrays, Maps and the like (those on bytes are dropped), and what is over the limits.
 *
 * The id of the codec stands in the entry's header (`entry.ts`), so an id means the same for ever:
 *
 *     1   JSON. References that are shared come back as equal copies.
 *     2   JSON as devalue writes it, which also keeps shared and cyclic references (`rich-json.ts`)
 *     3   the bytes of a Buffer, then their CRC-32, u32 BE
 *     4   the bytes of a Uint8Array, likewise
 *
 * Text shows damage by its syntax. Bytes have none, so they carry a checksum.
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
 * Takes the first codec that keeps the value. The payload shares no memory with it.
 *
 * @throws ValueError for what would not come back equal, with what stands where, and for what is over the limits
 */
export function encodeValue(value: unknown, limits: ValueLimits): EncodedValue {
  try {
    return encodeByFirst(value, limits);
  } catch (error) {
    if (error instanceof ValueError) throw error;
    throw new ValueError(
      `Expected a value that can be read; reading ${describe(value)} twice did not give the same, or ended in an ` +
        'error. Return data, not accessors.',
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

function valueError({ path, found, hint: mend, reason, cause }: UnsupportedValue): ValueError {
  return new ValueError(
    `Expected a value that comes back equal from the store; found ${found} at value${cut(path)}. ${mend}`,
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
    `Expected at most ${maxBytes} bytes; the encoded value takes ${bytes}. Cache less of it, or allow more bytes.`,
    'too-large',
  );
}

/**
 * Undefined for what cannot be decoded: an unknown codec, or a payload that this library did not write. Never
 * throws, whatever the bytes; what it gives holds no property `__proto__` and shares no memory with `payload`.
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
  if (payload.readUInt32BE(end) !== nodeZlib().crc32(bytes)) throw new RangeError('The checksum is wrong.');
  return bytes;
}

/**
 * `JSON.parse` for bytes that anybody may have written: refuses `__proto__` as a key, which pollutes whoever
 * copies the object, and what is nested deeper than `MAX_DEPTH`.
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

/** Only a text that names `__proto__`, could spell it in escapes, or has many brackets needs a closer look. */
function isSuspect(text: string): boolean {
  return text.includes('__proto__') || text.includes('\\u00') || hasManyBrackets(text);
}

function hasManyBrackets(text: string): boolean {
  if (text.length < 2 * MAX_DEPTH) return false;
  let count = 0;
  for (const bracket of '{[') {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      count++;
      if (count > MAX_DEPTH) return true;
    }
  }
  return false;
}
