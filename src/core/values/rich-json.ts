import { Buffer } from 'node:buffer';
import { stringify, unflatten } from 'devalue';
import { coversItsBuffer, findUnsupported } from './unsupported-value.js';
import { MAX_DEPTH, MAX_SPARSE_LENGTH } from './value-limits.js';

/**
 * Encodes every supported value as JSON with devalue: a flat list whose parts refer to each other by index, which keeps
 * shared and cyclic references.
 *
 * @param value a value without unsupported parts (`findUnsupported`)
 */
export function stringifyRich(value: unknown): string {
  return stringify(value, { Buffer: bytesOfBuffer }, { operations: { viewInfo } });
}

/** Tells devalue how to write a Buffer, which it would otherwise decode as a Uint8Array. */
function bytesOfBuffer(value: unknown): Uint8Array | false {
  return Buffer.isBuffer(value) && new Uint8Array(value);
}

function bufferOfBytes(value: unknown): Buffer {
  if (!(value instanceof Uint8Array)) throw new SyntaxError('Expected the bytes of a Buffer.');
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength); // No copy: many Buffers may refer to the same bytes.
}

/** Writes only the bytes that a view shows. The rest of its buffer may belong to other code. */
function viewInfo(view: NodeJS.TypedArray | DataView) {
  const { byteLength } = view;
  const shown = new Uint8Array(view.buffer, view.byteOffset, byteLength);
  const buffer = coversItsBuffer(view) ? view.buffer : new Uint8Array(shown).buffer;
  return { buffer, byteOffset: 0, byteLength, bufferByteLength: byteLength };
}

/** The type tags that devalue writes. Arrays and objects have none. */
const TAGS: ReadonlySet<unknown> = new Set([
  ...['null', 'Map', 'Set', 'Date', 'RegExp', 'URL', 'URLSearchParams', 'BigInt', 'ArrayBuffer', 'DataView'],
  ...['Buffer', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array'],
  ...['Uint32Array', 'Float16Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'],
]);

/** The tag that devalue writes for an array with holes. The length follows, then pairs of index and part. */
const SPARSE = -7;

/**
 * Decodes a rich value from untrusted text. Returns only values that `findUnsupported` accepts, and uses memory in
 * proportion to the length of the text.
 *
 * @throws any Error for invalid text
 */
export function parseRich(text: string): unknown {
  const flat: unknown = JSON.parse(text);
  if (typeof flat === 'number') return unflatten(flat);
  if (!Array.isArray(flat)) throw new SyntaxError('Expected a list.');
  let objects = 0;
  for (const part of flat) {
    if (typeof part !== 'object' || part === null) continue;
    objects++;
    if (Array.isArray(part)) checkTagged(part);
  }
  const value: unknown = unflatten(flat, { Buffer: bufferOfBytes });
  if (objects > MAX_DEPTH && findUnsupported(value, { maxBytes: Infinity, maxDepth: MAX_DEPTH })) {
    throw new SyntaxError('Expected a value as this library writes it.');
  }
  return value;
}

function checkTagged(part: readonly unknown[]): void {
  const [tag, length] = part;
  if (typeof tag === 'string' && !TAGS.has(tag))
    throw new SyntaxError('Expected a kind of value that is kept.');
  if (tag === SPARSE && (typeof length !== 'number' || length > MAX_SPARSE_LENGTH)) {
    throw new SyntaxError('Expected a shorter array with holes.');
  }
}
