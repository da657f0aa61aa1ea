import { quote } from './describe.js';

/** True for the `Object.prototype` of this or another realm (`vm`, some test runners). */
export function isObjectPrototype(prototype: unknown): boolean {
  if (prototype === Object.prototype) return true;
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  );
}

/** True for a property name that is an array index. */
export function isIndex(key: string): boolean {
  return String(Number(key) >>> 0) === key;
}

/** Formats one step of a path within a value for a message: `.name`, `[3]`, `['first name']`. */
export function pathSegment(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]{0,59}$/u.test(step) ? `.${step}` : `[${quote(step)}]`;
}
