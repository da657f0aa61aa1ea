import { MAX_DEPTH, type ValueLimits } from './value-limits.js';

/**
 * Whether JSON gives `value` back equal and within the limits: plain objects, whole arrays, strings, booleans,
 * null, and finite numbers but -0. One walk without allocations but the lists of keys: this is what every fill
 * pays.
 *
 * An object that stands at two places comes back as two equal ones.
 */
export function isPlainJson(value: unknown, limits: ValueLimits): boolean {
  try {
    return remainingBytes(value, limits.maxBytes, Math.min(limits.maxDepth, MAX_DEPTH)) >= 0;
  } catch {
    return false; // A getter or a proxy that throws.
  }
}

/**
 * What is left of `room`, in bytes, after the JSON of `value`; negative if it does not fit or is not safe. Every
 * part counts for the least it can take, so that a value is called too large only if it is.
 */
function remainingBytes(value: unknown, room: number, depth: number): number {
  switch (typeof value) {
    case 'string':
      return room - value.length - 2;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? room - 1 : -1;
    case 'boolean':
      return room - 4;
    case 'object':
      break;
    default:
      return -1;
  }
  if (value === null) return room - 4;
  if (depth === 0) return -1;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype)
    return remainingBytesAfterObject(value as Record<string, unknown>, room - 1, depth - 1);
  if (prototype === Array.prototype && Array.isArray(value))
    return remainingBytesAfterArray(value, room - 1, depth - 1);
  return -1;
}

function remainingBytesAfterObject(object: Record<string, unknown>, room: number, depth: number): number {
  if (object['toJSON'] !== undefined || Object.getOwnPropertySymbols(object).length > 0) return -1;
  for (const key of Object.keys(object)) {
    if (key === '__proto__') return -1;
    room = remainingBytes(object[key], room - key.length - 4, depth);
    if (room < 0) return -1;
  }
  return room;
}

function remainingBytesAfterArray(array: readonly unknown[], room: number, depth: number): number {
  for (let i = 0; i < array.length; i++) {
    room = remainingBytes(array[i], room - 1, depth); // A hole reads as undefined, which is not safe.
    if (room < 0) return -1;
  }
  return Object.keys(array).length === array.length ? room : -1;
}
