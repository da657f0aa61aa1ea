import { types } from 'node:util';

const MAX_SHOWN_LENGTH = 60;

/** Names a call in errors: `getOrSet`, `@Cached on Users.find`. A function is called only when an error is created. */
export type Label = string | (() => string);

export function labelText(label: Label): string {
  return typeof label === 'string' ? label : label();
}

/**
 * Describes a value in an error message: `'5 minutes'`, `NaN`, `an array`, `an instance of User`. Calls no code of the value
 * (no `toString`, no getter) and never throws. Long strings are cut, control characters are escaped.
 */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'bigint':
      return `${value}n`;
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : describeObject(value);
  }
}

/** Quotes a string for a message: cut after 60 UTF-16 units, with control characters escaped so it stays on one line. */
export function quote(text: string): string {
  const cut = text.length > MAX_SHOWN_LENGTH ? text.slice(0, MAX_SHOWN_LENGTH) : text;
  const safe = cut.replace(
    /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return cut === text ? `'${safe}'` : `'${safe}...' (${text.length} characters)`;
}

function describeObject(value: object): string {
  try {
    if (Array.isArray(value)) return 'an array';
    if (types.isPromise(value)) return 'a promise';
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === null || prototype === Object.prototype) return 'a plain object';
    const maker: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    if (typeof maker !== 'function') return 'an object of an unnamed class';
    const name: unknown = Object.getOwnPropertyDescriptor(maker, 'name')?.value;
    if (typeof name !== 'string' || name === '') return 'an object of an unnamed class';
    return /^[\p{L}\p{N}_$]{1,80}$/u.test(name) ? `an instance of ${name}` : `an instance of ${quote(name)}`;
  } catch {
    // A revoked proxy throws on every access. An error message about it must not become a TypeError without a place.
    return 'an object that cannot be inspected';
  }
}
