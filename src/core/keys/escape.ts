/**
 * Escapes in logical keys. A key holds nothing that Redis reads as a hash tag or a pattern, nothing that
 * breaks a line of a log, and nothing that UTF-8 cannot carry. Such a character is written as `%` and two
 * hexadecimal digits, or as `%u` and four.
 */

/**
 * Stands in no key: controls, lone surrogates, separators of lines and paragraphs, and what Redis has a meaning for.
 * As ranges, because the classes of Unicode (`\p{Cc}`) take time to look up when this module is loaded.
 */
const UNSAFE = String.raw`\u0000-\u001f\u007f-\u009f\ud800-\udfff\u2028\u2029 '*?[\]\\{}`;
/** Means something in a key, and so stands in no part. */
const STRUCTURE = '%:~"';

const unsafe = new RegExp(`[${UNSAFE}]`, 'u');
const everyUnsafe = new RegExp(unsafe, 'gu');
const unsafeInPart = new RegExp(`[${UNSAFE}${STRUCTURE}]`, 'u');
const everyUnsafeInPart = new RegExp(unsafeInPart, 'gu');

/** The text of one string part: no two strings have the same. */
export function escapePart(text: string): string {
  return unsafeInPart.test(text) ? text.replace(everyUnsafeInPart, escapeCharacter) : text;
}

/**
 * The text of a key, or of a piece of one, that was written by hand: what has a meaning in a key keeps it.
 * Escaping it again changes nothing.
 */
export function escapeText(text: string): string {
  return unsafe.test(text) ? text.replace(everyUnsafe, escapeCharacter) : text;
}

/** @param character one UTF-16 unit */
export function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const digits = code.toString(16).toUpperCase();
  return code <= 0xff ? `%${digits.padStart(2, '0')}` : `%u${digits.padStart(4, '0')}`;
}
