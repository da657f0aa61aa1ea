import { Buffer } from 'node:buffer';
import { Packr } from 'msgpackr';
import type { PayloadCodec } from '../../core/values/payload-codec.js';
import { MAX_DEPTH } from '../../core/values/value-limits.js';

/**
 * A codec that stores values as MessagePack, which is half the size of JSON for lists of rows, and mostly faster to decode
 * (docs/values.md).
 *
 * It stores plain objects and arrays of strings, numbers, booleans, null, undefined, BigInt up to 64 bits, Date and Buffer.
 * It leaves every other value to the standard codecs, so all that can be stored without it can be stored with it.
 *
 * @example
 * const caching = new Caching({ adapter: memory(), defaults: { ttl: '5m', codec: msgpackr() } });
 */
export function msgpackr(): PayloadCodec {
  // Records: the names of the properties of a list of rows are stored once.
  const packr = new Packr({ useRecords: true, copyBuffers: true });
  return {
    name: 'msgpackr',
    encode: (value) => (isKept(value, MAX_DEPTH) ? packr.pack(value) : undefined),
    decode: (bytes) => {
      const value: unknown = packr.unpack(bytes);
      // Others may have written the bytes: MessagePack can also describe errors, Maps and any depth.
      // guard: msgpackr-returns-what-it-stores
      if (!isKept(value, MAX_DEPTH)) throw new TypeError('Expected a value as this codec stores it.');
      return value;
    },
  };
}

const MAX_INT64 = 2n ** 63n;

/** True if MessagePack keeps the value equal. */
function isKept(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed();
    case 'number':
      return !Object.is(value, -0);
    case 'boolean':
    case 'undefined':
      return true;
    case 'bigint':
      return value >= -MAX_INT64 && value < MAX_INT64;
    case 'object':
      return value === null || (depth > 0 && isKeptObject(value, depth - 1));
    default:
      return false;
  }
}

function isKeptObject(object: object, depth: number): boolean {
  switch (Object.getPrototypeOf(object)) {
    case Object.prototype:
      return areKeptProperties(object as Readonly<Record<string, unknown>>, depth);
    case Array.prototype: {
      const items = object as readonly unknown[];
      return Object.keys(items).length === items.length && items.every((item) => isKept(item, depth));
    }
    case Date.prototype:
      return Object.keys(object).length === 0;
    case Buffer.prototype:
      return true;
    default:
      return false;
  }
}

function areKeptProperties(object: Readonly<Record<string, unknown>>, depth: number): boolean {
  // msgpackr calls a method toJSON.
  if (object['toJSON'] !== undefined || Object.getOwnPropertySymbols(object).length > 0) return false;
  for (const key of Object.keys(object)) {
    if (key === '__proto__' || !key.isWellFormed() || !isKept(object[key], depth)) return false;
  }
  return true;
}
