import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { describe, quote } from '../shared/describe.js';
import type { ValueError } from '../shared/errors.js';
import { isIndex, isObjectPrototype, pathSegment } from '../shared/value-kinds.js';
import { encodeInstance, type TypeCodec, type TypeCodecs } from './type-codec.js';
import { MAX_DEPTH, MAX_SPARSE_LENGTH, type ValueLimits } from './value-limits.js';

/** The part of a value that would not come back equal, or is over a limit. */
export interface UnsupportedValue {
  readonly reason: ValueError['reason'];
  /** The path to it, which follows the name of the value: `.rows[3].total`. */
  readonly path: string;
  /** A description of it. */
  readonly found: string;
  /** How to fix it, as a sentence. */
  readonly hint: string;
  readonly cause?: unknown;
}

const TYPED_ARRAY_PROTOTYPE: unknown = Object.getPrototypeOf(Uint8Array.prototype);

/** The instances in a value that have a codec. */
export interface Instances {
  readonly codecs: TypeCodecs;
  /** The name of the codec and the data of each instance. Filled by `findUnsupported`, so that each is encoded once. */
  readonly encoded: Map<unknown, readonly [name: string, data: unknown]>;
}

/**
 * Finds the first part of a value that the codecs do not keep (see value-codec.ts) or that is over the limits; undefined if
 * there is none. Every part counts with its minimum size: a value may still be too large after encoding, but a much too
 * large value is found before its text is built.
 *
 * @param instances undefined: instances of classes are not kept
 */
export function findUnsupported(
  value: unknown,
  limits: ValueLimits,
  instances?: Instances,
): UnsupportedValue | undefined {
  /** Objects and long strings. Each is written once, however often it is referenced. */
  const seen = new Set<unknown>();
  /** The instances whose data is visited. */
  const entered = new Set<object>();
  let remaining = limits.maxBytes;
  return visit(value, Math.min(limits.maxDepth, MAX_DEPTH));

  function visit(part: unknown, depth: number): UnsupportedValue | undefined {
    switch (typeof part) {
      case 'object':
        return part === null ? takeBytes(1) : visitObject(part, depth);
      case 'string':
        return visitString(part);
      case 'function':
        return unsupported(describe(part), 'Leave it out: code cannot be stored.');
      case 'symbol':
        return unsupported(describe(part), 'Leave it out: a symbol exists only in this process.');
      default:
        return takeBytes(1);
    }
  }

  function visitString(text: string): UnsupportedValue | undefined {
    if (text.length <= 64) return takeBytes(1);
    if (text.length > limits.maxBytes) return tooLarge(limits); // Before the Set hashes it.
    if (seen.has(text)) return takeBytes(1);
    seen.add(text);
    return takeBytes(text.length);
  }

  function visitObject(object: object, depth: number): UnsupportedValue | undefined {
    if (seen.has(object)) return entered.has(object) ? cyclic(object) : takeBytes(1);
    seen.add(object);
    try {
      return takeBytes(1) ?? visitKind(object, depth);
    } catch (error) {
      return unreadable(error);
    }
  }

  function visitKind(object: object, depth: number): UnsupportedValue | undefined {
    const prototype: object | null = Object.getPrototypeOf(object);
    if (prototype === null || isObjectPrototype(prototype)) return visitPlain(object, depth - 1);
    if (Array.isArray(object) && Array.isArray(prototype)) return visitArray(object, depth - 1);
    switch (prototype) {
      case Map.prototype:
        return visitMap(object as Map<unknown, unknown>, depth - 1);
      case Set.prototype:
        return visitSet(object as Set<unknown>, depth - 1);
      case Date.prototype:
      case URL.prototype:
      case URLSearchParams.prototype:
        return ownProperty(object);
      case RegExp.prototype:
        return (object as RegExp).lastIndex === 0
          ? ownProperty(object)
          : unsupported(
              'a RegExp with a lastIndex',
              'Set its lastIndex to 0: the position of a search is not kept.',
            );
      case ArrayBuffer.prototype:
        return ownProperty(object) ?? takeBytes((object as ArrayBuffer).byteLength);
      default:
        if (ArrayBuffer.isView(object) && isViewPrototype(prototype)) return visitView(object);
        break;
    }
    const codec = instances?.codecs.of(prototype);
    return codec === undefined
      ? unsupported(describe(object), hintFor(object))
      : visitInstance(codec, object, depth - 1);
  }

  function visitInstance(codec: TypeCodec, object: object, depth: number): UnsupportedValue | undefined {
    if (depth < 0) return tooDeep(limits);
    let data: unknown;
    try {
      data = encodeInstance(codec, object);
    } catch (cause) {
      const found = `${describe(object)} that its codec ${quote(codec.name)} does not encode`;
      return { ...unsupported(found, 'See the cause.'), cause };
    }
    instances!.encoded.set(object, [codec.name, data]);
    entered.add(object);
    const problem = visit(data, depth);
    entered.delete(object);
    return problem;
  }

  function visitPlain(object: object, depth: number): UnsupportedValue | undefined {
    if (depth < 0) return tooDeep(limits);
    if (Object.getOwnPropertySymbols(object).length > 0) {
      return unsupported(
        'an object with a symbol as a key',
        'Use strings: a symbol exists only in this process.',
      );
    }
    for (const key of Object.keys(object)) {
      if (key === '__proto__') {
        return unsupported(
          'an own key `__proto__`',
          'Rename the key, or use a Map: this key can change the prototype of copies.',
        );
      }
      const problem = takeBytes(key.length) ?? visitProperty(object, key, depth);
      if (problem) return prefixPath(pathSegment(key), problem);
    }
    return undefined;
  }

  function visitArray(array: readonly unknown[], depth: number): UnsupportedValue | undefined {
    if (depth < 0) return tooDeep(limits);
    if (array.length > MAX_SPARSE_LENGTH && array.length > limits.maxBytes) return tooLarge(limits);
    const keys = Object.keys(array);
    const named = keys.at(-1); // Object.keys lists indices before names.
    if (named !== undefined && !isIndex(named)) {
      return unsupported(`an array with a property ${quote(named)}`, 'Return an object with both.');
    }
    if (keys.length < array.length && array.length > MAX_SPARSE_LENGTH) {
      return {
        reason: 'too-large',
        path: '',
        found: `an array with holes and a length of ${array.length}`,
        hint: `Use a Map, or a length of at most ${MAX_SPARSE_LENGTH}.`,
      };
    }
    for (const key of keys) {
      const problem = visitProperty(array, key, depth);
      if (problem) return prefixPath(pathSegment(Number(key)), problem);
    }
    return undefined;
  }

  function visitProperty(holder: object, key: string, depth: number): UnsupportedValue | undefined {
    let part: unknown;
    try {
      part = (holder as Record<string, unknown>)[key];
    } catch (error) {
      return unreadable(error);
    }
    return visit(part, depth);
  }

  function visitMap(map: ReadonlyMap<unknown, unknown>, depth: number): UnsupportedValue | undefined {
    if (depth < 0) return tooDeep(limits);
    let index = 0;
    for (const [key, part] of map) {
      const inKey = visit(key, depth);
      if (inKey) return prefixPath(`.keys()[${index}]`, inKey);
      const inPart = visit(part, depth);
      if (inPart)
        return prefixPath(typeof key === 'string' ? `.get(${quote(key)})` : `.values()[${index}]`, inPart);
      index++;
    }
    return ownProperty(map);
  }

  function visitSet(set: ReadonlySet<unknown>, depth: number): UnsupportedValue | undefined {
    if (depth < 0) return tooDeep(limits);
    let index = 0;
    for (const part of set) {
      const problem = visit(part, depth);
      if (problem) return prefixPath(`.values()[${index}]`, problem);
      index++;
    }
    return ownProperty(set);
  }

  /** A view of a whole buffer shares it; of other buffers only the visible part is written (rich-json.ts). */
  function visitView(view: ArrayBufferView): UnsupportedValue | undefined {
    return coversItsBuffer(view) ? visit(view.buffer, 0) : takeBytes(view.byteLength);
  }

  function takeBytes(bytes: number): UnsupportedValue | undefined {
    remaining -= bytes;
    return remaining < 0 ? tooLarge(limits) : undefined;
  }
}

function isViewPrototype(prototype: object | null): boolean {
  if (prototype === Buffer.prototype || prototype === DataView.prototype) return true;
  return prototype !== null && Object.getPrototypeOf(prototype) === TYPED_ARRAY_PROTOTYPE;
}

/** True if the view shows all of its buffer. False also for a SharedArrayBuffer. */
export function coversItsBuffer({ buffer, byteLength }: ArrayBufferView): boolean {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
}

function prefixPath(segment: string, problem: UnsupportedValue): UnsupportedValue {
  return { ...problem, path: segment + problem.path };
}

function hintFor(object: object): string {
  if (types.isPromise(object)) return 'Await it before it is returned.';
  if (types.isNativeError(object)) return 'Throw it, or return a plain object with the needed fields.';
  return 'Return a plain object with its data, or name its class in revive or codecs (docs/values.md): it would lose its class.';
}

/** An instance is made after its data, so its data cannot have it. */
function cyclic(object: object): UnsupportedValue {
  return unsupported(
    `a cycle through ${describe(object)}`,
    'Let encode of its codec leave out the way back, and let decode restore it.',
  );
}

function ownProperty(object: object): UnsupportedValue | undefined {
  const [key] = Object.keys(object);
  if (key === undefined) return undefined;
  return unsupported(`${describe(object)} with a property ${quote(key)}`, 'Return an object with both.');
}

function unsupported(found: string, hint: string): UnsupportedValue {
  return { reason: 'unsupported', path: '', found, hint };
}

function unreadable(cause: unknown): UnsupportedValue {
  return {
    ...unsupported('a part that throws when it is read', 'Return data, not accessors.'),
    cause,
  };
}

function tooLarge({ maxBytes }: ValueLimits): UnsupportedValue {
  return {
    reason: 'too-large',
    path: '',
    found: `a part beyond the maximum size of ${maxBytes} bytes`,
    hint: 'Cache a part of it, or raise maxValueBytes.',
  };
}

function tooDeep({ maxDepth }: ValueLimits): UnsupportedValue {
  return {
    reason: 'too-deep',
    path: '',
    found: `a part beyond the maximum depth of ${Math.min(maxDepth, MAX_DEPTH)}`,
    hint: 'Cache a flatter form of it, such as a list whose items refer to each other by id.',
  };
}
