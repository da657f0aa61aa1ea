/**
 * Logical keys (`user:42`): what users see and events carry. store-keys.ts makes keys of the store from them; docs/keys.md
 * is the page for users.
 */
import { types } from 'node:util';
import { nodeCrypto } from '../shared/builtin-modules.js';
import { describe } from '../shared/describe.js';
import { KeyError } from '../shared/errors.js';
import { escapePart, escapeText } from './escape.js';

/** What a part of a key may be. */
export type KeyPart = string | number | bigint | boolean | Date | null | undefined;

/** A key as the verbs take it: a whole key, or parts that are escaped and joined with `:`. */
export type Key = string | readonly KeyPart[];

const MAX_KEY_LENGTH = 256;
const MAX_KEPT_LENGTH = 80;

/**
 * The text of one part of a key. A number, a bigint or a boolean is printed as a string of it would be. What
 * no string may be confused with (null, undefined, NaN, -0, a Date) begins with `~`, which strings escape.
 *
 * @param label names the place in the error
 * @throws KeyError for an object, a function, a symbol
 */
export function renderPart(part: unknown, label: string): string {
  return partText(part) ?? refusePart(part, label);
}

export function partText(part: unknown): string | undefined {
  switch (typeof part) {
    case 'string':
      return escapePart(part);
    case 'number':
      if (!Number.isFinite(part)) return `~${part}`;
      return Object.is(part, -0) ? '~-0' : String(part);
    case 'bigint':
    case 'boolean':
      return String(part);
    case 'undefined':
      return '~undefined';
    case 'object':
      if (part === null) return '~null';
      return types.isDate(part) ? dateText(part) : undefined;
    default:
      return undefined;
  }
}

function dateText(date: Date): string {
  if (Number.isNaN(Date.prototype.getTime.call(date))) return '~invalid-date';
  return `~${escapePart(Date.prototype.toISOString.call(date))}`;
}

export function refusePart(part: unknown, label: string): never {
  throw new KeyError(
    `${label} is a string, a number, a bigint, a boolean, a Date, null or undefined, and ` +
      `${describe(part)} was given. Take a property of it: '{0.id}' in a template, or a key function that ` +
      `returns its parts.`,
  );
}

/**
 * The key of a verb or of a key function: a whole key, or parts.
 *
 * @param label names the place in the error
 * @throws KeyError
 */
export function logicalKey(from: string | readonly unknown[], label: string): string {
  if (typeof from === 'string') return keyFromString(from, label);
  if (Array.isArray(from)) return keyFromParts(from, label);
  throw new KeyError(`${label}: a key is a string or an array of parts, and ${describe(from)} was given.`);
}

/**
 * A key that was written by hand or rendered before. `:`, `%`, `~` and `"` keep their meaning; what stands in
 * no key is escaped. The key of a key is the same key.
 *
 * @throws KeyError for an empty string
 */
export function keyFromString(text: string, label: string): string {
  if (typeof text !== 'string') {
    throw new KeyError(`${label}: a key is a string, and ${describe(text)} was given.`);
  }
  return finishKey(escapeText(text), label);
}

/**
 * Parts, escaped and joined with `:`. Different parts make different keys, but for 42 and '42'.
 *
 * @throws KeyError for a part that is no scalar, and for no parts at all
 */
export function keyFromParts(parts: readonly unknown[], label: string): string {
  let text = '';
  for (let i = 0; i < parts.length; i++) {
    if (i > 0) text += ':';
    text += partText(parts[i]) ?? refusePart(parts[i], `${label}: part ${i + 1} of the key`);
  }
  return finishKey(text, label);
}

/**
 * A rendered key of any length as one of at most 256 UTF-16 units: a longer one is its beginning, `~`, and
 * the SHA-256 of the whole. Neither a character nor an escape is cut in two.
 */
export function hashIfLong(key: string): string {
  if (key.length <= MAX_KEY_LENGTH) return key;
  let end = MAX_KEPT_LENGTH;
  const escape = key.lastIndexOf('%', end - 1);
  if (escape !== -1 && escape + (key[escape + 1] === 'u' ? 6 : 3) > end) end = escape;
  const last = key.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end--;
  return `${key.slice(0, end)}~${nodeCrypto().createHash('sha256').update(key).digest('base64url')}`;
}

/** @throws KeyError for an empty key */
export function finishKey(text: string, label: string): string {
  if (text === '') {
    throw new KeyError(`${label}: the key is an empty string. A key has at least one character.`);
  }
  return hashIfLong(text);
}
