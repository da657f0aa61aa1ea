import { types } from 'node:util';

import { describe } from '../shared/describe.js';
import { KeyError } from '../shared/errors.js';
import { isIndex, isObjectPrototype, pathSegment } from '../shared/value-kinds.js';
import { escapePart, escapeText } from './escape.js';
import { hashIfLong } from './key.js';

const MAX_DEPTH = 100;
const MAX_SPARSE_LENGTH = 100_000;
/** The maximum length of the text of a value. A few objects that are referenced many times could exceed all memory. */
const MAX_CHARACTERS = 2_000_000;

/** One level of the path to the current value. */
interface Level {
  readonly value: object;
  readonly step: string | number;
  readonly above: Level | undefined;
  readonly depth: number;
}

/** The state of one call of `canonical`. */
interface Walk {
  readonly label: string;
  readonly argument: number | undefined;
  remaining: number;
  refusal: KeyError | undefined;
}

/**
 * The default key of a call: `Users.find:("42",(page=1))`. Trailing undefined arguments are ignored.
 *
 * @param id the method: `Users.find`. A `:(` in it is escaped
 * @throws KeyError for arguments that `canonical` does not accept
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
  return hashIfLong(`${text})`);
}

/**
 * The canonical text of a value: equal values have the same text, different values have different texts. `"abc"`, `42`,
 * `("a",2n)`, `(page=1,tags=Set("x","y"))`. The order of properties, Set members and Map entries does not matter. The text
 * has no braces, brackets, spaces, `*` or `?`. The grammar is in docs/keys.md.
 *
 * Getters of plain objects are read; no other code of the value runs.
 *
 * @param label names the method in the error
 * @param argument the position of the value among the arguments of the method, for the error
 * @throws KeyError with the path for a function, a symbol, a class instance, a cycle, more than 100 levels, and a text of
 *   more than 2,000,000 characters
 */
export function canonical(value: unknown, label: string, argument?: number): string {
  const scalar = scalarText(value);
  if (scalar !== undefined) return scalar;
  return text({ label, argument, remaining: MAX_CHARACTERS, refusal: undefined }, value, '', undefined);
}

function scalarText(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return `"${escapePart(value)}"`;
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint':
      return `${value}n`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'undefined':
      return 'undefined';
    default:
      return value === null ? 'null' : undefined;
  }
}

function text(walk: Walk, value: unknown, step: string | number, above: Level | undefined): string {
  const scalar = scalarText(value);
  if (scalar !== undefined) {
    takeCharacters(walk, scalar.length + 1, above);
    return scalar;
  }
  if (typeof value !== 'object' || value === null) throw refuse(walk, above, step, isA(value));
  const level: Level = { value, step, above, depth: above === undefined ? 1 : above.depth + 1 };
  if (level.depth > MAX_DEPTH)
    throw refuse(walk, above, step, `it is nested more than ${MAX_DEPTH} levels deep`);
  for (let outer = above; outer !== undefined; outer = outer.above) {
    if (outer.value === value) throw refuse(walk, above, step, 'it contains itself');
  }
  takeCharacters(walk, 2, level);
  try {
    return objectText(walk, value, level);
  } catch (error) {
    // Our own error already names the path. Any other one was thrown by the value, such as a revoked proxy. Compared by
    // identity, because the value itself may throw a KeyError.
    throw walk.refusal !== undefined && error === walk.refusal
      ? error
      : refuse(walk, above, step, 'reading it threw an error', error);
  }
}

function objectText(walk: Walk, value: object, level: Level): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    if (isDirect(prototype)) return arrayText(walk, value, level);
  } else if (prototype === null || isObjectPrototype(prototype)) {
    return plainText(walk, value, level);
  } else if (types.isTypedArray(value)) {
    const name = prototype === Buffer.prototype ? 'Buffer' : typedArrayName(value, prototype);
    if (name !== undefined) return bytesText(walk, name, value, level);
  } else if (isDirect(prototype) && isBuiltin(value)) {
    if (Object.keys(value).length > 0 || Object.getOwnPropertySymbols(value).length > 0) {
      throw refuse(walk, level.above, level.step, `${isA(value)} with properties of its own`);
    }
    return builtinText(walk, value, level);
  }
  throw refuse(walk, level.above, level.step, isA(value));
}

function arrayText(walk: Walk, array: readonly unknown[], level: Level): string {
  const names = Object.keys(array);
  const last = names.at(-1);
  if ((last !== undefined && !isIndex(last)) || Object.getOwnPropertySymbols(array).length > 0) {
    throw refuse(walk, level.above, level.step, 'it is an array with named properties');
  }
  const sparse = names.length < array.length;
  if (sparse && array.length > MAX_SPARSE_LENGTH) {
    throw refuse(walk, level.above, level.step, `it is a sparse array of length ${array.length}`);
  }
  let items = '';
  for (let i = 0; i < array.length; i++) {
    if (i > 0) items += ',';
    if (sparse && !Object.hasOwn(array, i)) {
      takeCharacters(walk, 5, level);
      items += 'hole';
    } else {
      items += text(walk, read(walk, array, i, level), i, level);
    }
  }
  return `(${items})`;
}

function plainText(walk: Walk, object: object, level: Level): string {
  if (Object.getOwnPropertySymbols(object).length > 0) {
    throw refuse(walk, level.above, level.step, 'it has properties named by symbols');
  }
  const names = sorted(Object.keys(object));
  // `()` is the empty array.
  if (names.length === 0) return '(=)';
  let items = '';
  for (const name of names) {
    const value = read(walk, object, name, level);
    if (name === 'toJSON' && typeof value === 'function') {
      throw refuse(walk, level.above, level.step, 'it has a toJSON method, which is never called');
    }
    const label = /^[A-Za-z_$][\w$]*$/.test(name) ? name : `"${escapePart(name)}"`;
    takeCharacters(walk, label.length + 1, level);
    if (items !== '') items += ',';
    items += `${label}=${text(walk, value, name, level)}`;
  }
  return `(${items})`;
}

/**
 * Sorts names by UTF-16 units, in place. Up to 12 names are sorted by insertion, which takes a quarter of the time of
 * Array.prototype.sort (50 instead of 220 ns for four names on Node 20): a default key is built on every call.
 */
function sorted(names: string[]): string[] {
  if (names.length > 12) return names.sort();
  for (let i = 1; i < names.length; i++) {
    const name = names[i]!;
    let index = i;
    for (; index > 0 && names[index - 1]! > name; index--) names[index] = names[index - 1]!;
    names[index] = name;
  }
  return names;
}

type Builtin = Date | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | RegExp | ArrayBuffer | URL;

function isBuiltin(value: object): value is Builtin {
  return (
    types.isDate(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isRegExp(value) ||
    types.isArrayBuffer(value) ||
    value instanceof URL
  );
}

/** The text of a built-in object: its name, which is unambiguous because a `(` follows, and its content. */
function builtinText(walk: Walk, value: Builtin, level: Level): string {
  if (types.isDate(value)) {
    const time = Date.prototype.getTime.call(value);
    return Number.isNaN(time) ? 'Date(invalid)' : `Date(${Date.prototype.toISOString.call(value)})`;
  }
  if (types.isMap(value)) {
    const entries: string[] = [];
    for (const [key, member] of Map.prototype.entries.call(value)) {
      const index = entries.length;
      entries.push(`${text(walk, key, index, level)}=${text(walk, member, index, level)}`);
    }
    return `Map(${entries.sort().join(',')})`;
  }
  if (types.isSet(value)) {
    const members: string[] = [];
    for (const member of Set.prototype.values.call(value)) {
      members.push(text(walk, member, members.length, level));
    }
    return `Set(${members.sort().join(',')})`;
  }
  if (types.isRegExp(value)) {
    const { source, flags } = value;
    takeCharacters(walk, source.length, level);
    return `RegExp("${escapePart(source)}",${flags})`;
  }
  if (types.isArrayBuffer(value)) return bytesText(walk, 'ArrayBuffer', new Uint8Array(value), level);
  takeCharacters(walk, value.href.length, level);
  return `URL("${escapePart(value.href)}")`;
}

function bytesText(walk: Walk, name: string, bytes: NodeJS.TypedArray, level: Level): string {
  takeCharacters(walk, Math.ceil((bytes.byteLength * 4) / 3), level);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return `${name}(${view.toString('base64url')})`;
}

/** The getter of %TypedArray%.prototype, which returns the actual kind of the array even if its prototype was changed. */
const kindOfTypedArray = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get;

/** The name of a typed array's class; undefined for a subclass. */
function typedArrayName(value: object, prototype: unknown): string | undefined {
  return isDirect(prototypeOf(prototype)) ? kindOfTypedArray?.call(value) : undefined;
}

function read(walk: Walk, object: object, name: string | number, level: Level): unknown {
  try {
    return (object as Record<string | number, unknown>)[name];
  } catch (error) {
    throw refuse(walk, level, name, 'reading it threw an error', error);
  }
}

/** True for the prototype of a class without a superclass, which excludes subclasses of the built-in classes. */
function isDirect(prototype: unknown): boolean {
  return isObjectPrototype(prototypeOf(prototype));
}

function prototypeOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
}

function isA(value: unknown): string {
  return `it is ${describe(value)}`;
}

function takeCharacters(walk: Walk, characters: number, level: Level | undefined): void {
  walk.remaining -= characters;
  if (walk.remaining >= 0) return;
  throw refuse(walk, level?.above, level?.step ?? '', `it makes more than ${MAX_CHARACTERS} characters`);
}

/** @param step the step from `above` to the unsupported value */
function refuse(
  walk: Walk,
  above: Level | undefined,
  step: string | number,
  reason: string,
  cause?: unknown,
): KeyError {
  const steps: string[] = above === undefined ? [] : [pathSegment(step)];
  for (let level = above; level?.above !== undefined; level = level.above)
    steps.unshift(pathSegment(level.step));
  const path = steps.length > 8 ? `${steps.slice(0, 8).join('')}...` : steps.join('');
  const subject = walk.argument === undefined ? 'the value' : `argument ${walk.argument}`;
  walk.refusal = new KeyError(
    `${walk.label}: no key can be built from ${subject}${path === '' ? '' : `, at ${path}`}: ${reason}. ` +
      `Name the parts that identify the call, by a key template with a path ('user:{0.id}'), or a key function ` +
      `that returns a string or an array of parts.`,
    cause === undefined ? undefined : { cause },
  );
  return walk.refusal;
}
