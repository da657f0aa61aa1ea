import { Buffer } from 'node:buffer';

/**
 * Whether `b` is what `a` is, stricter than a deep equality: -0 is not 0, a missing property is not undefined, a
 * hole is not undefined, a Buffer is not a Uint8Array, order counts, and what is one object in `a` is one object
 * in `b`.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  return same(a, b, new Map());
}

/**
 * Whether `a` and `b` are deeply equal. Other than for `sameValue`, the order of properties, of Set members and of Map
 * entries does not count, nor does it count which parts are one object. The values contain no cycle.
 *
 * This does not use `util.isDeepStrictEqual`: on Node 22.23 it throws for some Maps, and on Node 20 and 22 an invalid Date
 * does not equal another one.
 */
export function equalValue(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map && b instanceof Map) return equalMembers([...a], [...b]);
  if (a instanceof Set && b instanceof Set) return equalMembers([...a], [...b]);
  const content = sameContent(a, b);
  if (content !== undefined) return content;
  const keys = Reflect.ownKeys(a);
  if (keys.length !== Reflect.ownKeys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equalValue(Reflect.get(a, key), Reflect.get(b, key)));
}

/** Each member has one of its own in `others` that is equal to it. */
function equalMembers(members: readonly unknown[], others: readonly unknown[]): boolean {
  const left = [...others];
  return (
    members.length === others.length &&
    members.every((member) => {
      const place = left.findIndex((other) => equalValue(member, other));
      if (place >= 0) left.splice(place, 1);
      return place >= 0;
    })
  );
}

function same(a: unknown, b: unknown, met: Map<object, object>): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  if (met.has(a)) return met.get(a) === b;
  met.set(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map && b instanceof Map)
    return sameList([...a].flat(), [...b].flat(), met) && a.size === b.size;
  if (a instanceof Set && b instanceof Set) return sameList([...a], [...b], met);
  const content = sameContent(a, b);
  if (content !== undefined) return content;
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) return false;
  const keys = Reflect.ownKeys(a);
  if (!sameList(keys, Reflect.ownKeys(b), met)) return false;
  return keys.every((key) => same(Reflect.get(a, key), Reflect.get(b, key), met));
}

/** Undefined for values that consist of other values. Both have the same prototype. */
function sameContent(a: object, b: object): boolean | undefined {
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof RegExp && b instanceof RegExp)
    return String(a) === String(b) && a.lastIndex === b.lastIndex;
  if (a instanceof URL || a instanceof URLSearchParams) return String(a) === String(b);
  if (a instanceof ArrayBuffer && b instanceof ArrayBuffer) return Buffer.from(a).equals(Buffer.from(b));
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) return bytesOf(a).equals(bytesOf(b));
  return undefined;
}

function sameList(a: readonly unknown[], b: readonly unknown[], met: Map<object, object>): boolean {
  return a.length === b.length && a.every((part, i) => same(part, b[i], met));
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}
