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
function remainingBytes(value: unknown, remaining: number, depth: number): number {
  switch (typeof value) {
    case 'string':
      return remaining - value.length - 2;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? remaining - 1 : -1;
    case 'boolean':
      return remaining - 4;
    case 'object':
      break;
    default:
      return -1;
  }
  if (value === null) return remaining - 4;
  if (depth === 0) return -1;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype)
    return remainingBytesAfterObject(value as Record<string, unknown>, remaining - 1, depth - 1);
  if (prototype === Array.prototype && Array.isArray(value))
    return remainingBytesAfterArray(value, remaining - 1, depth - 1);
  return -1;
}

function remainingBytesAfterObject(
  object: Record<string, unknown>,
  remaining: number,
  depth: number,
): number {
  if (object['toJSON'] !== undefined || Object.getOwnPropertySymbols(object).length > 0) return -1;
  for (const key of Object.keys(object)) {
    if (key === '__proto__') return -1;
    remaining = remainingBytes(object[key], remaining - key.length - 4, depth);
    if (remaining < 0) return -1;
  }
  return remaining;
}

function remainingBytesAfterArray(array: readonly unknown[], remaining: number, depth: number): number {
  for (let i = 0; i < array.length; i++) {
    remaining = remainingBytes(array[i], remaining - 1, depth); // A hole reads as undefined, which is not safe.
    if (remaining < 0) return -1;
  }
  return Object.keys(array).length === array.length ? remaining : -1;
}
