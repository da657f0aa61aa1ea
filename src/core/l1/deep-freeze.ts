/** Freezes a decoded value with everything in it. Returns false, and changes nothing, if a part cannot be frozen. */
export function deepFreeze(value: unknown): boolean {
  if (!canFreeze(value, new Set())) return false;
  freeze(value);
  return true;
}

/** The content of a Map, a Set, a Date, a URL or bytes can always be changed. */
function canFreeze(value: unknown, seen: Set<unknown>): boolean {
  if (typeof value !== 'object' || value === null || seen.has(value)) return true;
  seen.add(value);
  if (!Array.isArray(value)) {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return false;
  }
  return Object.values(value).every((part) => canFreeze(part, seen));
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  // Before its parts, because a value may contain itself.
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}
