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

/** By character code below 128: 1 if a part may have the character as it is. */
const isSafeInPart = Uint8Array.from({ length: 128 }, (_, code) =>
  unsafeInPart.test(String.fromCharCode(code)) ? 0 : 1,
);
/** Up to this length a loop is faster than the expression. */
const MAX_LOOP_LENGTH = 48;

/** Escapes a string part. Different strings give different texts. */
export function escapePart(text: string): string {
  const { length } = text;
  if (length <= MAX_LOOP_LENGTH) {
    let i = 0;
    // Beyond 127 the table has nothing: undefined ends the loop, too.
    while (i < length && isSafeInPart[text.charCodeAt(i)] === 1) i++;
    if (i === length) return text;
  }
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
