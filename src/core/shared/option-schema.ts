import { describe } from './describe.js';
import { describeDuration, readDuration, type DurationLimits } from './duration.js';
import { OptionsError } from './errors.js';

/** One option: what it accepts, and its default. `Value` is the type of the parsed value. */
export interface Option<Value> {
  /** The text after "is" in messages and docs: `true or false`. */
  readonly accepts: string;
  /** The default, in the form users write it; undefined if there is none. */
  readonly default: unknown;
  /** Parses a value. Returns undefined for a value that the option does not accept. */
  read(value: unknown): Value | undefined;
}

/**
 * The options of a verb or decorator by name, with their checks and defaults. The public interfaces document the same names;
 * test/docs/options.test.ts compares the interfaces and the tables of the docs with the schemas.
 */
export type OptionSchema = Readonly<Record<string, Option<unknown>>>;

type ValueOf<O> = O extends Option<infer Value> ? Value : never;

/** All options with their defaults applied. */
export type Resolved<S extends OptionSchema> = { readonly [Name in keyof S]: ValueOf<S[Name]> };

/** Checked and parsed options, without defaults; undefined for an option that is not set. */
export type ParsedOptions<S extends OptionSchema> = {
  readonly [Name in keyof S]?: ValueOf<S[Name]> | undefined;
};

type OrDefault<Value, Default> = Default extends undefined ? Value | undefined : Value;

/** A duration; parsed to milliseconds. */
export function duration<const D extends string | number | undefined = undefined>(
  limits: DurationLimits & { readonly default?: D } = {},
): Option<OrDefault<number, D>> {
  return option(describeDuration(limits), (value) => readDuration(value, limits), limits.default);
}

/** A whole number within limits. `of` names the unit in messages. */
export function integer<const D extends number | undefined = undefined>(limits: {
  readonly min: number;
  readonly max?: number;
  readonly default?: D;
  readonly of?: string;
}): Option<OrDefault<number, D>> {
  const { min, max, of } = limits;
  const range = max === undefined ? `, ${min} or more` : ` from ${min} to ${max}`;
  return option(
    `a whole number${of === undefined ? '' : ` of ${of}`}${range}`,
    (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= (max ?? Infinity)
        ? value
        : undefined,
    limits.default,
  );
}

/** A number from 0 to a maximum. */
export function fraction<const D extends number | undefined = undefined>(limits: {
  readonly max: number;
  readonly default?: D;
}): Option<OrDefault<number, D>> {
  const { max } = limits;
  return option(
    `a number from 0 to ${max}`,
    (value) => (typeof value === 'number' && value >= 0 && value <= max ? value : undefined),
    limits.default,
  );
}

/** One of several strings. */
export function oneOf<
  const Values extends readonly string[],
  const D extends Values[number] | undefined = undefined,
>(values: Values, fallback?: D): Option<OrDefault<Values[number], D>> {
  const quoted = values.map((value) => `'${value}'`);
  const accepts = `${quoted.slice(0, -1).join(', ')}${quoted.length > 1 ? ' or ' : ''}${quoted.at(-1)}`;
  return option(accepts, (value) => values.find((one) => one === value), fallback);
}

/** A boolean. */
export function flag<const D extends boolean | undefined = undefined>(
  fallback?: D,
): Option<OrDefault<boolean, D>> {
  return option('true or false', (value) => (typeof value === 'boolean' ? value : undefined), fallback);
}

/** A string that matches a pattern. */
export function matching(pattern: RegExp, accepts: string): Option<string | undefined> {
  return option(accepts, (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined));
}

/** A string with at least one character. */
export function text<const D extends string | undefined = undefined>(
  example: string,
  fallback?: D,
): Option<OrDefault<string, D>> {
  return option(
    `a string that is not empty, such as '${example}'`,
    (value) => (typeof value === 'string' && value !== '' ? value : undefined),
    fallback,
  );
}

/** A function. */
export function callback<F extends (...args: never) => unknown>(): Option<F | undefined> {
  return option('a function', (value) => (typeof value === 'function' ? (value as F) : undefined));
}

/** An AbortSignal of this or another realm, recognized by its members. */
export function abortSignal(): Option<AbortSignal | undefined> {
  return option('an AbortSignal', (value) => (isAbortSignal(value) ? value : undefined));
}

/** A list, whose items are checked by the code that uses it. */
export function list<Item>(accepts: string): Option<readonly Item[] | undefined> {
  return option(accepts, (value) => (Array.isArray(value) ? value : undefined));
}

/** A boolean or a function. */
export function flagOrCallback<F extends (...args: never) => unknown>(): Option<boolean | F | undefined> {
  return option('true, false or a function', (value) =>
    typeof value === 'boolean' || typeof value === 'function' ? (value as boolean | F) : undefined,
  );
}

/** An option with a check of its own. `read` returns undefined for a value that it does not accept. */
export function custom<Value>(
  accepts: string,
  read: (value: unknown) => Value | undefined,
  fallback: unknown,
): Option<Value> {
  return option(accepts, read, fallback);
}

/** An option whose check depends on other values and is made by the code that uses it. */
export function unchecked<Value>(accepts: string): Option<Value | undefined> {
  return option(accepts, (value) => value as Value);
}

/**
 * Checks the names and values of options, and parses the values. No option accepts null.
 *
 * @param label names the call in errors: `@Cached on Users.find`, `getOrSet`
 * @throws OptionsError
 */
export function parseOptions<S extends OptionSchema>(
  schema: S,
  options: object,
  label: string,
): ParsedOptions<S> {
  const parsed: Record<string, unknown> = {};
  if (options === null || typeof options !== 'object') throw notAnObject(options, label);
  for (const name in options) {
    if (!Object.hasOwn(schema, name)) {
      // Names that something has added to Object.prototype are not the caller's.
      if (!Object.hasOwn(options, name)) continue;
      throw unknownOption(name, schema, label);
    }
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) parsed[name] = parseOption(schema[name]!, value, name, label);
  }
  return parsed as ParsedOptions<S>;
}

/** Merges parsed options over defaults. Plain verbs do this on every call, and spreading is slower on Node.js 20. */
export function resolveOptions<S extends OptionSchema>(
  options: ParsedOptions<S>,
  base: Resolved<S>,
): Resolved<S> {
  if (isEmpty(options)) return base;
  const resolved: Record<string, unknown> = {};
  for (const name in base) resolved[name] = options[name] ?? base[name];
  return resolved as Resolved<S>;
}

/** The defaults of a schema, parsed. */
export function defaultsOf<S extends OptionSchema>(schema: S): Resolved<S> {
  const defaults: Record<string, unknown> = {};
  for (const [name, { default: value, read }] of Object.entries(schema)) {
    defaults[name] = value === undefined ? undefined : read(value);
  }
  return Object.freeze(defaults) as Resolved<S>;
}

/**
 * Checks the names of options, so that a misspelled `tll` is an error and not an unset ttl.
 * @throws OptionsError for an unknown name, or anything but an object
 */
export function checkNames(options: object, schema: Readonly<Record<string, unknown>>, label: string): void {
  if (options === null || typeof options !== 'object') throw notAnObject(options, label);
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(schema, name)) throw unknownOption(name, schema, label);
  }
}

function notAnObject(options: unknown, label: string): OptionsError {
  return new OptionsError(`${label} takes an object of options, and ${describe(options)} was given.`);
}

function unknownOption(name: string, schema: object, label: string): OptionsError {
  return new OptionsError(`${label} has no option '${name}'. It has: ${Object.keys(schema).join(', ')}.`);
}

function isEmpty(options: object): boolean {
  for (const _ in options) return false;
  return true;
}

function parseOption<Value>(option: Option<Value>, value: unknown, name: string, label: string): Value {
  const read = option.read(value);
  if (read !== undefined) return read;
  const hint = value === null ? ' Leave it out for its default.' : '';
  throw new OptionsError(
    `${name} of ${label} is ${option.accepts}, and ${describe(value)} was given.${hint}`,
  );
}

function option(accepts: string, read: (value: unknown) => unknown, fallback?: unknown): Option<never> {
  return { accepts, read, default: fallback } as unknown as Option<never>;
}

function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<AbortSignal>).aborted === 'boolean' &&
    typeof (value as Partial<AbortSignal>).addEventListener === 'function'
  );
}
