import { Buffer } from 'node:buffer';
import { stringify, unflatten } from 'devalue';
import { coversItsBuffer, findUnsupported, type Instances } from './unsupported-value.js';
import type { TypeCodecs } from './type-codec.js';
import { MAX_DEPTH, MAX_SPARSE_LENGTH } from './value-limits.js';

/**
 * Encodes every supported value as JSON with devalue: a flat list whose parts refer to each other by index, which keeps
 * shared and cyclic references.
 *
 * @param value a value without unsupported parts (`findUnsupported`)
 * @param instances those in it that have a codec; each is written with the tag `INSTANCE`, as a list of name and data
 */
export function stringifyRich(value: unknown, instances?: Instances): string {
  const reducers: Record<string, (part: unknown) => unknown> = { Buffer: bytesOfBuffer };
  if (instances !== undefined) reducers[INSTANCE] = (part) => instances.encoded.get(part);
  return stringify(value, reducers, { operations: { viewInfo } });
}

const INSTANCE = '@';

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
 * @param codecs undefined: instances of classes are invalid
 * @throws any Error for invalid text, and for an instance that has no codec or that its codec does not accept
 */
export function parseRich(text: string, codecs?: TypeCodecs): unknown {
  const flat: unknown = JSON.parse(text);
  if (typeof flat === 'number') return unflatten(flat);
  if (!Array.isArray(flat)) throw new SyntaxError('Expected a list.');
  let objects = 0;
  for (const part of flat) {
    if (typeof part !== 'object' || part === null) continue;
    objects++;
    if (Array.isArray(part)) checkTagged(part, codecs !== undefined);
  }
  const revivers: Record<string, (data: unknown) => unknown> = { Buffer: bufferOfBytes };
  if (codecs !== undefined) revivers[INSTANCE] = (data) => instanceOf(codecs, data);
  const value: unknown = unflatten(flat, revivers);
  if (objects > MAX_DEPTH && isTooDeep(value, codecs)) {
    throw new SyntaxError('Expected a value as this library writes it.');
  }
  return value;
}

function isTooDeep(value: unknown, codecs: TypeCodecs | undefined): boolean {
  const instances = codecs && { codecs, encoded: new Map() };
  return findUnsupported(value, { maxBytes: Infinity, maxDepth: MAX_DEPTH }, instances) !== undefined;
}

function instanceOf(codecs: TypeCodecs, part: unknown): unknown {
  if (!Array.isArray(part) || part.length !== 2) throw new SyntaxError('Expected a name and data.');
  return codecs.decode(part[0], part[1]);
}

function checkTagged(part: readonly unknown[], mayBeInstance: boolean): void {
  const [tag, length] = part;
  if (typeof tag === 'string' && !TAGS.has(tag) && !(mayBeInstance && tag === INSTANCE))
    throw new SyntaxError('Expected a kind of value that is kept.');
  if (tag === SPARSE && (typeof length !== 'number' || length > MAX_SPARSE_LENGTH)) {
    throw new SyntaxError('Expected a shorter array with holes.');
  }
}
