import { quote } from './describe.js';

/** True for `Object.prototype`, of this realm or another (`vm`, some test runners). */
export function isObjectPrototype(prototype: unknown): boolean {
  if (prototype === Object.prototype) return true;
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  );
}

/** True for a key that is an index of an array. */
export function isIndex(key: string): boolean {
  return String(Number(key) >>> 0) === key;
}

/** One step of a path to a part of a value, for messages: `.name`, `[3]`, `["first name"]`. */
export function pathSegment(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]{0,59}$/u.test(step) ? `.${step}` : `[${quote(step)}]`;
}
