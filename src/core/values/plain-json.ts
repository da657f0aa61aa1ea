import { MAX_DEPTH, type ValueLimits } from './value-limits.js';

/**
 * True if JSON keeps the value equal and it is within the limits: plain objects, arrays without holes, strings, booleans,
 * null, and finite numbers except -0. An object that is referenced twice comes back as two equal objects.
 *
 * Every fill pays for this walk, so it allocates nothing but the lists of keys.
 */
export function isPlainJson(value: unknown, limits: ValueLimits): boolean {
  try {
    return remainingBytes(value, limits.maxBytes, Math.min(limits.maxDepth, MAX_DEPTH)) >= 0;
  } catch {
    return false; // A getter or a proxy threw: findUnsupported reports it with its path.
  }
}

/**
 * The bytes that remain after the JSON of `value`; negative if it does not fit or JSON does not keep it. Every part counts
 * with its minimum size, so that no value within the limit is rejected.
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
    remaining = remainingBytes(array[i], remaining - 1, depth); // A hole reads as undefined, which JSON does not keep.
    if (remaining < 0) return -1;
  }
  return Object.keys(array).length === array.length ? remaining : -1;
}
