import { describe } from './describe.js';
import { describeDuration, readDuration, type DurationLimits } from './duration.js';
import { OptionsError } from './errors.js';

/** What one option accepts, and its default. `Value` is what it resolves to; undefined if it has no default. */
export interface Option<Value> {
  /** What follows "is" in messages and docs: `true or false`. */
  readonly accepts: string;
  /** As it would be given; undefined: none. */
  readonly default: unknown;
  /** Undefined for what it does not accept. */
  read(value: unknown): Value | undefined;
}

/**
 * The options of one verb or decorator, by name: the only place that knows their names, defaults and checks. The
 * interfaces that users see document the same names; a test compares both, and the tables of the docs, with it.
 */
export type OptionSchema = Readonly<Record<string, Option<unknown>>>;

type ValueOf<O> = O extends Option<infer Value> ? Value : never;

/** Every option resolved: what was given, else the default. */
export type Resolved<S extends OptionSchema> = { readonly [Name in keyof S]: ValueOf<S[Name]> };

/** What was given, checked and resolved; undefined where nothing was given. */
export type ParsedOptions<S extends OptionSchema> = {
  readonly [Name in keyof S]?: ValueOf<S[Name]> | undefined;
};

type OrDefault<Value, Default> = Default extends undefined ? Value | undefined : Value;

/** In milliseconds once resolved. */
export function duration<const D extends string | number | undefined = undefined>(
  limits: DurationLimits & { readonly default?: D } = {},
): Option<OrDefault<number, D>> {
  return option(describeDuration(limits), (value) => readDuration(value, limits), limits.default);
}

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

export function oneOf<
  const Values extends readonly string[],
  const D extends Values[number] | undefined = undefined,
>(values: Values, fallback?: D): Option<OrDefault<Values[number], D>> {
  const quoted = values.map((value) => `'${value}'`);
  const accepts = `${quoted.slice(0, -1).join(', ')}${quoted.length > 1 ? ' or ' : ''}${quoted.at(-1)}`;
  return option(accepts, (value) => values.find((one) => one === value), fallback);
}

export function flag<const D extends boolean | undefined = undefined>(
  fallback?: D,
): Option<OrDefault<boolean, D>> {
  return option('true or false', (value) => (typeof value === 'boolean' ? value : undefined), fallback);
}

/** A string of this form. */
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

export function callback<F extends (...args: never) => unknown>(): Option<F | undefined> {
  return option('a function', (value) => (typeof value === 'function' ? (value as F) : undefined));
}

/** Of any realm: what aborts and can be listened to. */
export function abortSignal(): Option<AbortSignal | undefined> {
  return option('an AbortSignal', (value) => (isAbortSignal(value) ? value : undefined));
}

export function flagOrCallback<F extends (...args: never) => unknown>(): Option<boolean | F | undefined> {
  return option('true, false or a function', (value) =>
    typeof value === 'boolean' || typeof value === 'function' ? (value as boolean | F) : undefined,
  );
}

/** Checked where it is used: what it accepts depends on more than itself. */
export function unchecked<Value>(accepts: string): Option<Value | undefined> {
  return option(accepts, (value) => value as Value);
}

/**
 * Checks the names and the values of what was given. Null is a value, and no option accepts it.
 *
 * @param label names the place in errors: `@Cached on Users.find`, `getOrSet`
 * @throws OptionsError
 */
export function parseOptions<S extends OptionSchema>(
  schema: S,
  options: object,
  label: string,
): ParsedOptions<S> {
  checkNames(options, schema, label);
  const parsed: Record<string, unknown> = {};
  for (const name in options) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) parsed[name] = parseOption(schema[name]!, value, name, label);
  }
  return parsed as ParsedOptions<S>;
}

/** What was given over a base in which every option is resolved. */
export function resolveOptions<S extends OptionSchema>(
  options: ParsedOptions<S>,
  base: Resolved<S>,
): Resolved<S> {
  return { ...base, ...options };
}

/** The defaults of the library. */
export function defaultsOf<S extends OptionSchema>(schema: S): Resolved<S> {
  const defaults: Record<string, unknown> = {};
  for (const [name, { default: value, read }] of Object.entries(schema)) {
    defaults[name] = value === undefined ? undefined : read(value);
  }
  return Object.freeze(defaults) as Resolved<S>;
}

/**
 * Refuses the names of options that do not exist: a misspelled `tll` must not count as left out.
 * @throws OptionsError
 */
export function checkNames(options: object, schema: Readonly<Record<string, unknown>>, label: string): void {
  if (options === null || typeof options !== 'object') {
    throw new OptionsError(`${label} takes an object of options, and ${describe(options)} was given.`);
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(schema, name)) continue;
    throw new OptionsError(`${label} has no option '${name}'. It has: ${Object.keys(schema).join(', ')}.`);
  }
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
