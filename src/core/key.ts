/**
 * Keys. A *logical key* (`user:42`) is what users see and what events carry; in Redis it stands behind the
 * namespace and a word for its kind. docs/keys.md is the page for users.
 */
import { types } from 'node:util';

import { canonical } from './canonical.js';
import { describe, quote } from './describe.js';
import { KeyError, OptionsError } from './errors.js';
import { escapeCharacter, escapePart, escapeText } from './escape.js';
import { nodeCrypto } from './builtin-modules.js';

/** What a part of a key may be. */
export type KeyPart = string | number | bigint | boolean | Date | null | undefined;

/** A key as the verbs take it: a whole key, or parts that are escaped and joined with `:`. */
export type Key = string | readonly KeyPart[];

/** Kinds of names within a namespace: `<namespace>:<kind>:...`. Those not in use yet are reserved. */
const KINDS: readonly string[] = ['cache', 'tag', 'clear', 'epochs', 'lock', 'rate', 'session', 'queue'];

const LONGEST_KEY = 256;
const KEPT_OF_LONG_KEY = 80;
const LONGEST_NAMESPACE = 64;

// --- Names in Redis ---

/** The record of a logical key. It has no hash tag: entries spread over a cluster. */
export function entryKey(namespace: string, key: string): string {
  return `${namespace}:cache:${key}`;
}

/** The nonce of a tag. All nonces of a namespace share one cluster slot, so that one script can read them. */
export function tagKey(namespace: string, tag: string): string {
  return `${namespace}:tag:{${namespace}}:${tag}`;
}

/** The nonce that every entry of the namespace carries. */
export function clearKey(namespace: string): string {
  return `${namespace}:clear:{${namespace}}`;
}

/** The namespace's tag epochs (`tags.ts`). */
export function epochsKey(namespace: string): string {
  return `${namespace}:epochs:{${namespace}}`;
}

/**
 * The namespace, if it can be one. A kind may only be its first segment: the key `cache:x` in `shop` and the
 * key `x` in `shop:cache` would otherwise be one name in Redis.
 *
 * @throws OptionsError
 */
export function checkNamespace(namespace: string): string {
  const expected =
    `namespace is a string of 1 to ${LONGEST_NAMESPACE} characters out of A-Z a-z 0-9 _ . : / - ` +
    `(such as 'shop' or 'shop:eu')`;
  if (typeof namespace !== 'string' || !/^[A-Za-z0-9_.:/-]+$/.test(namespace)) {
    throw new OptionsError(`${expected}, and ${describe(namespace)} was given.`);
  }
  if (namespace.length > LONGEST_NAMESPACE) {
    throw new OptionsError(
      `${expected}, and ${namespace.length} characters were given: ${quote(namespace)}.`,
    );
  }
  const kind = namespace.split(':').find((segment, i) => i > 0 && KINDS.includes(segment));
  if (kind !== undefined) {
    const other = quote(namespace.replaceAll(`:${kind}`, `-${kind}`));
    throw new OptionsError(
      `namespace has the word '${kind}' after a ':' (${quote(namespace)}), and there it names a kind of ` +
        `key. Use another word, or another separator: ${other}.`,
    );
  }
  return namespace;
}

/** A lock. The braces give it and what belongs to it (`:queue`, `:fence`, ...) one cluster slot. */
export function lockKey(namespace: string, key: string): string {
  return `${namespace}:lock:{${key}}`;
}

/** Whom rate limits count: its block stands here. The braces give its rules the same cluster slot. */
export function rateSubject(namespace: string, key: string): string {
  return `${namespace}:rate:{${key}}`;
}

/** What one rule counts for a subject. */
export function rateRuleKey(subject: string, rule: string): string {
  return `${subject}:${rule}`;
}

// --- Parts ---

/**
 * The text of one part of a key. A number, a bigint or a boolean is printed as a string of it would be. What
 * no string may be confused with (null, undefined, NaN, -0, a Date) begins with `~`, which strings escape.
 *
 * @param where names the place in the error
 * @throws KeyError for an object, a function, a symbol
 */
export function renderPart(part: unknown, where: string): string {
  return partText(part) ?? refusePart(part, where);
}

function partText(part: unknown): string | undefined {
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

function refusePart(part: unknown, where: string): never {
  throw new KeyError(
    `${where} is a string, a number, a bigint, a boolean, a Date, null or undefined, and ` +
      `${describe(part)} was given. Take a property of it: '{0.id}' in a template, or a key function that ` +
      `returns its parts.`,
  );
}

// --- Logical keys ---

/**
 * The key of a verb or of a key function: a whole key, or parts.
 *
 * @param where names the place in the error
 * @throws KeyError
 */
export function logicalKey(from: string | readonly unknown[], where: string): string {
  if (typeof from === 'string') return keyFromString(from, where);
  if (Array.isArray(from)) return keyFromParts(from, where);
  throw new KeyError(`${where}: a key is a string or an array of parts, and ${describe(from)} was given.`);
}

/**
 * A key that was written by hand or rendered before. `:`, `%`, `~` and `"` keep their meaning; what stands in
 * no key is escaped. The key of a key is the same key.
 *
 * @throws KeyError for an empty string
 */
export function keyFromString(text: string, where: string): string {
  if (typeof text !== 'string') {
    throw new KeyError(`${where}: a key is a string, and ${describe(text)} was given.`);
  }
  return finished(escapeText(text), where);
}

/**
 * Parts, escaped and joined with `:`. Different parts make different keys, but for 42 and '42'.
 *
 * @throws KeyError for a part that is no scalar, and for no parts at all
 */
export function keyFromParts(parts: readonly unknown[], where: string): string {
  let text = '';
  for (let i = 0; i < parts.length; i++) {
    if (i > 0) text += ':';
    text += partText(parts[i]) ?? refusePart(parts[i], `${where}: part ${i + 1} of the key`);
  }
  return finished(text, where);
}

/**
 * The key of a call that names none: `Users.find:("42",(page=1))`. Undefined arguments at the end do not
 * count.
 *
 * @param id the method: `Users.find`. What would read as the beginning of arguments is escaped in it
 * @throws KeyError for arguments without a text of their own (`canonical.ts`)
 */
export function defaultKey(id: string, args: readonly unknown[]): string {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count--;
  const method = escapeText(id);
  let text = `${method.includes(':(') ? method.replaceAll(':(', ':%28') : method}:(`;
  for (let i = 0; i < count; i++) {
    if (i > 0) text += ',';
    text += canonical(args[i], id, i);
  }
  return boundKey(`${text})`);
}

/**
 * A rendered key of any length as one of at most 256 UTF-16 units: a longer one is its beginning, `~`, and
 * the SHA-256 of the whole. Neither a character nor an escape is cut in two.
 */
export function boundKey(key: string): string {
  if (key.length <= LONGEST_KEY) return key;
  let end = KEPT_OF_LONG_KEY;
  const escape = key.lastIndexOf('%', end - 1);
  if (escape !== -1 && escape + (key[escape + 1] === 'u' ? 6 : 3) > end) end = escape;
  const last = key.charCodeAt(end - 1);
  if (last >= 0xd800 && last <= 0xdbff) end--;
  return `${key.slice(0, end)}~${nodeCrypto().createHash('sha256').update(key).digest('base64url')}`;
}

function finished(text: string, where: string): string {
  if (text === '') {
    throw new KeyError(`${where}: the key is an empty string. A key has at least one character.`);
  }
  return boundKey(text);
}

// --- Templates ---

interface Hole {
  readonly source: string;
  readonly position: number;
  readonly path: readonly string[];
}

/**
 * Between two holes: a character that the first part escapes, so that it ends where the text says. The spaces
 * are for reading: one in a template is `%20` when it is looked at.
 */
const SEPARATORS = `: - . / , ; | @ # & = + ! $ ^ < > ( ) "`;

/**
 * A key template as a function of a method's arguments: `'user:{0}'`, `'order:{0.customer.id}:{1}'`. Paths
 * read properties of the object itself and getters of its class, and call nothing; a path through null or
 * undefined ends as undefined.
 *
 * @param where names the place in the error: `key of @Cached on Users.find`
 * @returns throws a KeyError for an argument that cannot be a part
 * @throws OptionsError for a template that cannot be
 */
export function compileTemplate(template: string, where: string): (args: readonly unknown[]) => string {
  if (typeof template !== 'string' || template === '') {
    const given = template === '' ? 'an empty string' : describe(template);
    throw new OptionsError(`${where} is a template such as 'user:{0}', and ${given} was given.`);
  }
  const refuse = (reason: string): never => {
    throw new OptionsError(`${where}: ${quote(template)} is no key template: ${reason}.`);
  };
  if (/\p{Cc}/u.test(template)) refuse('it has a control character');
  const { literals, holes } = parse(template, refuse);
  const separators = separatorsOf(literals, refuse);
  const places = holes.map(({ source }) => `${where} (${quote(template)}): {${source}}`);
  return (args) => {
    let text = literals[0]!;
    for (let i = 0; i < holes.length; i++) {
      const hole = holes[i]!;
      const argument = args[hole.position];
      const value = hole.path.length === 0 ? argument : follow(argument, hole.path, places[i]!);
      text += separated(renderPart(value, places[i]!), separators[i]) + literals[i + 1]!;
    }
    return finished(text, where);
  };
}

/** Linear: it stops at the first mistake. The literals are escaped; there is one more of them than holes. */
function parse(template: string, refuse: (reason: string) => never): { literals: string[]; holes: Hole[] } {
  const literals: string[] = [];
  const holes: Hole[] = [];
  for (let from = 0; ;) {
    const open = template.indexOf('{', from);
    const literal = template.slice(from, open === -1 ? undefined : open);
    if (literal.includes('}')) refuse("it has a '}' without a '{' before it");
    literals.push(escapeText(literal));
    if (open === -1) return { literals, holes };
    const close = template.indexOf('}', open);
    if (close === -1) refuse("it has a '{' without a '}' after it");
    holes.push(parseHole(template.slice(open + 1, close), refuse));
    from = close + 1;
  }
}

function parseHole(source: string, refuse: (reason: string) => never): Hole {
  const shown = quote(`{${source}}`);
  if (source.includes('{')) refuse(`the hole ${shown} has a '{' in it; braces cannot be escaped`);
  const [position, ...path] = source.split('.');
  if (position === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(position)) {
    refuse(
      `the hole ${shown} does not begin with a position. Parameter names do not exist at run time: {0} is ` +
        `the first argument, {0.id} a property of it`,
    );
  }
  for (const step of path) {
    if (step === '__proto__' || step === 'constructor' || step === 'prototype') {
      refuse(`the hole ${shown} leads to '${step}', which is no data`);
    }
    if (!/^[\p{L}\p{N}_$-]+$/u.test(step)) {
      refuse(
        `the hole ${shown} has the property name ${quote(step)}. Names are of letters, digits, _, $ and -`,
      );
    }
  }
  return { source, position: Number(position), path };
}

/**
 * For each hole but the last, the character that ends its part. With it escaped inside the part, the text can
 * be taken apart again in one way only, so that different parts make different keys.
 */
function separatorsOf(literals: readonly string[], refuse: (reason: string) => never): readonly string[] {
  return literals.slice(1, -1).map((literal, i) => {
    const separator = literal[0];
    if (separator === undefined) {
      return refuse(`there is nothing between hole ${i + 1} and hole ${i + 2}; put ':' between them`);
    }
    if (!SEPARATORS.includes(separator)) {
      return refuse(
        `what stands between hole ${i + 1} and hole ${i + 2} begins with none of ${SEPARATORS} and so may ` +
          `be part of what fills the first; put ':' between them`,
      );
    }
    return separator;
  });
}

/** `:` and `"` are escaped in every part. */
function separated(text: string, separator: string | undefined): string {
  return separator === undefined || separator === ':' || separator === '"' || !text.includes(separator)
    ? text
    : text.replaceAll(separator, escapeCharacter(separator));
}

function follow(argument: unknown, path: readonly string[], place: string): unknown {
  let value = argument;
  for (const name of path) {
    if (value === null || value === undefined) return undefined;
    value = property(value, name, place);
  }
  return value;
}

function property(owner: {}, name: string, place: string): unknown {
  let found: Found;
  try {
    found = find(owner, name);
    if (found === 'readable') return (owner as Record<string, unknown>)[name];
  } catch (error) {
    throw new KeyError(`${place}: reading '${name}' threw an error.`, { cause: error });
  }
  if (found === 'absent') return undefined;
  throw new KeyError(
    `${place}: '${name}' is inherited and no getter of the object's class. A path reads data and calls ` +
      `nothing; use a key function instead.`,
  );
}

type Found = 'readable' | 'inherited' | 'absent';

/** Own properties and getters of the class are readable; methods and all of Object.prototype are not. */
function find(owner: {}, name: string): Found {
  if (Object.hasOwn(owner, name)) return 'readable';
  for (let holder: unknown = Object.getPrototypeOf(owner); holder !== null;) {
    const above: unknown = Object.getPrototypeOf(holder);
    const descriptor = Object.getOwnPropertyDescriptor(holder, name);
    if (descriptor !== undefined) {
      return descriptor.get !== undefined && above !== null ? 'readable' : 'inherited';
    }
    holder = above;
  }
  return 'absent';
}

// --- Keys in code ---

interface Layout {
  readonly literals: readonly string[];
  readonly separators: readonly string[];
}

const layouts = new WeakMap<TemplateStringsArray, Layout>();
const TAG = 'key`...`';

/**
 * A key written in code, with every substitution escaped as the hole of a template is:
 * ``key`user:${id}` `` equals what `'user:{0}'` makes of the same id, whatever characters the id has.
 *
 * @throws KeyError for a substitution that is no part, and where nothing separates two substitutions
 */
export function key(strings: TemplateStringsArray, ...parts: readonly KeyPart[]): string {
  const { literals, separators } = layoutOf(strings);
  let text = literals[0]!;
  for (let i = 0; i < parts.length; i++) {
    const part = partText(parts[i]) ?? refusePart(parts[i], `Substitution ${i + 1} of ${TAG}`);
    text += separated(part, separators[i]) + literals[i + 1]!;
  }
  return finished(text, TAG);
}

function layoutOf(strings: TemplateStringsArray): Layout {
  const known = layouts.get(strings);
  if (known !== undefined) return known;
  const refuse = (reason: string): never => {
    throw new KeyError(`${TAG} is given ${quote(strings.raw.join('${...}'))}: ${reason}.`);
  };
  for (const literal of strings) {
    // An escape sequence that is none leaves no text at all.
    if (typeof literal !== 'string') refuse('it has an invalid escape sequence');
    if (/[{}]/.test(literal)) refuse('it has a brace. Substitutions are written ${id} here, not {0}');
  }
  const literals = strings.map(escapeText);
  const layout = { literals, separators: separatorsOf(literals, refuse) };
  layouts.set(strings, layout);
  return layout;
}
