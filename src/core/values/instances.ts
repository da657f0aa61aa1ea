import { types } from 'node:util';

/** A class, also one whose constructor is not public. */
export type Class<T> = abstract new (...args: never) => T;

/**
 * The data of an instance: its own enumerable properties. Undefined for an instance whose content is not in its properties,
 * such as that of a class which extends Map, Error or Promise.
 */
export function ownData(instance: object): Record<string, unknown> | undefined {
  return hasHiddenContent(instance) ? undefined : { ...instance };
}

/** Makes data an instance of a class. No constructor and no setter is called. */
export function becomeInstance(data: object, { prototype }: Class<unknown>): object {
  return Object.setPrototypeOf(data, prototype as object) as object;
}

/** True for an object without a class. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** True for a class, false for another function. Classes that were compiled to ES5 are recognized by their methods. */
export function isClass(value: unknown): value is Class<unknown> {
  if (typeof value !== 'function') return false;
  const property = Object.getOwnPropertyDescriptor(value, 'prototype');
  if (property === undefined || typeof property.value !== 'object' || property.value === null) return false;
  const prototype = property.value as object;
  if (!Object.hasOwn(prototype, 'constructor')) return false;
  return (
    property.writable === false ||
    Object.getOwnPropertyNames(prototype).length > 1 ||
    Object.getPrototypeOf(prototype) !== Object.prototype
  );
}

/** True for objects that the standard codecs restore, and for others that are more than their properties. */
export function hasHiddenContent(value: object): boolean {
  return (
    Array.isArray(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof URL ||
    value instanceof URLSearchParams ||
    types.isAnyArrayBuffer(value) ||
    types.isBoxedPrimitive(value) ||
    types.isDate(value) ||
    types.isMap(value) ||
    types.isNativeError(value) ||
    types.isPromise(value) ||
    types.isRegExp(value) ||
    types.isSet(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value)
  );
}
