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
  read(given: unknown): Value | undefined;
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
export type Given<S extends OptionSchema> = { readonly [Name in keyof S]?: ValueOf<S[Name]> | undefined };

type OrDefault<Value, Default> = Default extends undefined ? Value | undefined : Value;

/** In milliseconds once resolved. */
export function duration<const D extends string | number | undefined = undefined>(
  limits: DurationLimits & { readonly default?: D } = {},
): Option<OrDefault<number, D>> {
  return option(describeDuration(limits), (given) => readDuration(given, limits), limits.default);
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
    (given) =>
      typeof given === 'number' && Number.isSafeInteger(given) && given >= min && given <= (max ?? Infinity)
        ? given
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
    (given) => (typeof given === 'number' && given >= 0 && given <= max ? given : undefined),
    limits.default,
  );
}

export function oneOf<
  const Values extends readonly string[],
  const D extends Values[number] | undefined = undefined,
>(values: Values, fallback?: D): Option<OrDefault<Values[number], D>> {
  const quoted = values.map((value) => `'${value}'`);
  const accepts = `${quoted.slice(0, -1).join(', ')}${quoted.length > 1 ? ' or ' : ''}${quoted.at(-1)}`;
  return option(accepts, (given) => values.find((value) => value === given), fallback);
}

export function flag<const D extends boolean | undefined = undefined>(
  fallback?: D,
): Option<OrDefault<boolean, D>> {
  return option('true or false', (given) => (typeof given === 'boolean' ? given : undefined), fallback);
}

/** A string of this form. */
export function matching(pattern: RegExp, accepts: string): Option<string | undefined> {
  return option(accepts, (given) => (typeof given === 'string' && pattern.test(given) ? given : undefined));
}

/** A string with at least one character. */
export function text<const D extends string | undefined = undefined>(
  example: string,
  fallback?: D,
): Option<OrDefault<string, D>> {
  return option(
    `a string that is not empty, such as '${example}'`,
    (given) => (typeof given === 'string' && given !== '' ? given : undefined),
    fallback,
  );
}

export function callback<F extends (...args: never) => unknown>(): Option<F | undefined> {
  return option('a function', (given) => (typeof given === 'function' ? (given as F) : undefined));
}

/** Of any realm: what aborts and can be listened to. */
export function abortSignal(): Option<AbortSignal | undefined> {
  return option('an AbortSignal', (given) => (isAbortSignal(given) ? given : undefined));
}

export function flagOrCallback<F extends (...args: never) => unknown>(): Option<boolean | F | undefined> {
  return option('true, false or a function', (given) =>
    typeof given === 'boolean' || typeof given === 'function' ? (given as boolean | F) : undefined,
  );
}

/** Checked where it is used: what it accepts depends on more than itself. */
export function unchecked<Value>(accepts: string): Option<Value | undefined> {
  return option(accepts, (given) => given as Value);
}

/**
 * Checks the names and the values of what was given. Null is a value, and no option accepts it.
 *
 * @param where names the place in errors: `@Cached on Users.find`, `getOrSet`
 * @throws OptionsError
 */
export function parseOptions<S extends OptionSchema>(schema: S, given: object, where: string): Given<S> {
  checkNames(given, schema, where);
  const parsed: Record<string, unknown> = {};
  for (const name in given) {
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined) parsed[name] = parseOption(schema[name]!, value, name, where);
  }
  return parsed as Given<S>;
}

/** What was given over a base in which every option is resolved. */
export function resolveOptions<S extends OptionSchema>(given: Given<S>, base: Resolved<S>): Resolved<S> {
  return { ...base, ...given };
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
export function checkNames(given: object, schema: Readonly<Record<string, unknown>>, where: string): void {
  if (given === null || typeof given !== 'object') {
    throw new OptionsError(`${where} takes an object of options, and ${describe(given)} was given.`);
  }
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(schema, name)) continue;
    throw new OptionsError(`${where} has no option '${name}'. It has: ${Object.keys(schema).join(', ')}.`);
  }
}

function parseOption<Value>(option: Option<Value>, value: unknown, name: string, where: string): Value {
  const read = option.read(value);
  if (read !== undefined) return read;
  const hint = value === null ? ' Leave it out for its default.' : '';
  throw new OptionsError(
    `${name} of ${where} is ${option.accepts}, and ${describe(value)} was given.${hint}`,
  );
}

function option(accepts: string, read: (given: unknown) => unknown, fallback?: unknown): Option<never> {
  return { accepts, read, default: fallback } as unknown as Option<never>;
}

function isAbortSignal(given: unknown): given is AbortSignal {
  return (
    typeof given === 'object' &&
    given !== null &&
    typeof (given as Partial<AbortSignal>).aborted === 'boolean' &&
    typeof (given as Partial<AbortSignal>).addEventListener === 'function'
  );
}
