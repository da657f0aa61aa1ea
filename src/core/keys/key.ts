/**
 * Logical keys (`user:42`), as users and events see them. store-keys.ts turns them into keys of the store; docs/keys.md
 * describes them for users.
 */
import { types } from 'node:util';
import { nodeCrypto } from '../shared/builtin-modules.js';
import { describe } from '../shared/describe.js';
import { KeyError } from '../shared/errors.js';
import { escapePart, escapeText } from './escape.js';

/** One part of a key. Objects and functions are not accepted: pass one of their properties. */
export type KeyPart = string | number | bigint | boolean | Date | null | undefined;

/** A key as the verbs accept it: a complete key, or parts, which are escaped and joined with `:`. */
export type Key = string | readonly KeyPart[];

const MAX_KEY_LENGTH = 256;
const MAX_KEPT_LENGTH = 80;

/**
 * Builds the logical key from a complete key or from parts, as a verb or a key function passes it.
 *
 * @param label names the call in the error
 * @throws KeyError
 */
export function logicalKey(from: string | readonly unknown[], label: string): string {
  if (typeof from === 'string') return keyFromString(from, label);
  if (Array.isArray(from)) return keyFromParts(from, label);
  throw new KeyError(`${label}: a key is a string or an array of parts, and ${describe(from)} was given.`);
}

/**
 * Builds a key from a complete key. `:`, `%`, `~` and `"` keep their meaning; characters that no key contains are escaped.
 * Idempotent.
 *
 * @internal exported for tests
 * @throws KeyError for an empty string
 */
export function keyFromString(text: string, label: string): string {
  return finishKey(escapeText(text), label);
}

/**
 * Builds a key from parts, escaped and joined with `:`. Different parts give different keys, except 42 and '42'.
 *
 * @internal exported for tests
 * @throws KeyError for a part that is not a `KeyPart`, and for an empty list
 */
export function keyFromParts(parts: readonly unknown[], label: string): string {
  let text = '';
  for (let i = 0; i < parts.length; i++) {
    if (i > 0) text += ':';
    text += partText(parts[i]) ?? refusePart(parts[i], `${label}: part ${i + 1} of the key`);
  }
  return finishKey(text, label);
}

/** Checks and shortens a key. @throws KeyError for an empty key */
export function finishKey(text: string, label: string): string {
  if (text === '') {
    throw new KeyError(`${label}: the key is an empty string. A key has at least one character.`);
  }
  return hashIfLong(text);
}

/**
 * Shortens a key to at most 256 UTF-16 units. A longer key becomes its beginning, `~`, and the SHA-256 of the whole key.
 * Characters and escapes are not split.
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

/**
 * Formats one part of a key. A number, a bigint and a boolean have the same text as the equal string. null, undefined, NaN,
 * -0 and a Date start with `~`, which is escaped in strings, so that no string has the same text.
 *
 * @param label names the part in the error
 * @throws KeyError for an object, a function or a symbol
 */
export function renderPart(part: unknown, label: string): string {
  return partText(part) ?? refusePart(part, label);
}

/** Formats one part of a key. Returns undefined for a value that is not a `KeyPart`. */
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

/** @throws KeyError always: `part` is not a `KeyPart` */
export function refusePart(part: unknown, label: string): never {
  throw new KeyError(
    `${label} is a string, a number, a bigint, a boolean, a Date, null or undefined, and ` +
      `${describe(part)} was given. Take a property of it: '{0.id}' in a template, or a key function that ` +
      `returns its parts.`,
  );
}
