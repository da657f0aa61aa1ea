/**
 * Escapes in logical keys. A key contains no character with a meaning in Redis hash tags or patterns, no line break or
 * control character, and no lone surrogate. Such a character is written as `%` and two hexadecimal digits, or as `%u` and
 * four.
 */

/**
 * The characters that no key contains: controls, lone surrogates, line and paragraph separators, and those with a meaning
 * in Redis. Written as ranges, because Unicode classes (`\p{Cc}`) are slow to compile when this module is loaded.
 */
const UNSAFE = String.raw`\u0000-\u001f\u007f-\u009f\ud800-\udfff\u2028\u2029 '*?[\]\\{}`;
/** The characters with a meaning in a key, which are escaped in parts. */
const STRUCTURE = '%:~"';

const unsafe = new RegExp(`[${UNSAFE}]`, 'u');
const everyUnsafe = new RegExp(unsafe, 'gu');
const unsafeInPart = new RegExp(`[${UNSAFE}${STRUCTURE}]`, 'u');
const everyUnsafeInPart = new RegExp(unsafeInPart, 'gu');

/** Escapes a string part. Different strings give different texts. */
export function escapePart(text: string): string {
  return unsafeInPart.test(text) ? text.replace(everyUnsafeInPart, escapeCharacter) : text;
}

/** Escapes a complete key, or a literal of a template. Characters with a meaning in a key keep it. Idempotent. */
export function escapeText(text: string): string {
  return unsafe.test(text) ? text.replace(everyUnsafe, escapeCharacter) : text;
}

/** @param character one UTF-16 unit */
export function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const digits = code.toString(16).toUpperCase();
  return code <= 0xff ? `%${digits.padStart(2, '0')}` : `%u${digits.padStart(4, '0')}`;
}
