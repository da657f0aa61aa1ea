/**
 * The compiler's side of key templates: positions and paths (`{0}`, `{0.id}`) are looked up in the method's
 * arguments, and a placeholder that is no scalar there becomes an error that says so. What depends on a type
 * parameter of the class cannot be decided, and is accepted.
 */
type Scalar = string | number | boolean | bigint | Date | null | undefined;

/**
 * The type one step along a path; of a union, every member must have the step. Behind the last element that a tuple
 * names, it is the type of the rest.
 */
type Step<T, Head extends string> = Head extends keyof T
  ? T[Head]
  : [T] extends [readonly unknown[]]
    ? Head extends Position & `${infer Index extends number}`
      ? number extends T['length']
        ? T[Index]
        : never
      : never
    : never;

/** `0`, `12`: arguments and elements have no names. */
type Position = `${bigint}`;

/**
 * `any extends never` has both results. (`0 extends 1 & T` is decided too early for a type parameter: `1 & T` is never
 * where `T` extends string.)
 */
type IsAny<T> = [boolean] extends [T extends never ? true : false] ? true : false;

/** The type at `0`, `0.id`, `1.a.b` in an argument tuple. */
type PathValue<T, Path extends string> =
  IsAny<T> extends true
    ? T
    : Path extends `${infer Head}.${infer Rest}`
      ? PathValue<NonNullable<Step<T, Head>>, Rest>
      : Step<T, Path>;

/** What is wrong with the braces. */
type BraceError<S extends string> = S extends `${infer Literal}{${infer Opened}`
  ? Literal extends `${string}}${string}`
    ? Unopened
    : Opened extends `${string}}${infer Rest}`
      ? Rest extends `{${string}`
        ? "put ':' between two holes"
        : BraceError<Rest>
      : "it has a '{' without a '}' after it"
  : S extends `${string}}${string}`
    ? Unopened
    : never;
type Unopened = "it has a '}' without a '{' before it";

type Placeholders<S extends string> = S extends `${string}{${infer Path}}${infer Rest}`
  ? Path | Placeholders<Rest>
  : never;

type PrintedType<T> = T extends string
  ? 'string'
  : T extends number
    ? 'number'
    : T extends bigint
      ? 'bigint'
      : T extends boolean
        ? 'boolean'
        : never;

type IsUnion<T, Each = T> = [T] extends [never]
  ? false
  : T extends unknown
    ? [Each] extends [T]
      ? false
      : true
    : never;

type NotScalar<Path extends string> = `{${Path}} is not a scalar argument of the method`;

/** The values print alike though they differ: 1 and '1'. */
type Ambiguous<Path extends string> =
  `{${Path}} may be values that print alike, such as 1 and '1': use a function`;

/** 'fits', or a sentence that says what does not. */
type PathCheck<Path extends string, A> = Path extends Position | `${Position}.${string}`
  ? ValueCheck<Path, PathValue<A, Path>>
  : NotScalar<Path>;

type ValueCheck<Path extends string, Value> =
  IsAny<Value> extends true
    ? 'fits'
    : [Value] extends [never]
      ? NotScalar<Path>
      : [Value] extends [Scalar]
        ? IsUnion<PrintedType<Value>> extends false
          ? 'fits'
          : Ambiguous<Path>
        : NotScalar<Path>;

/**
 * The sentence of a check that fails whatever the type parameters in the arguments become, else never.
 *
 * The comparison of two functions makes the difference. A conditional type that compares something with a type
 * parameter in it stays open, and no string is assignable to an open type: `Check extends ...` would refuse every
 * template of a generic class. Functions are compared at once. Where the comparison fails with `any` in the place of
 * every type parameter, the result is the false branch, and `any` fits.
 */
type CertainError<Check> = (() => Check) extends () => `{${string}` ? Check : never;

type PathErrors<Path extends string, A> = Path extends unknown ? CertainError<PathCheck<Path, A>> : never;

type TemplateErrors<S extends string, A> = [BraceError<S>] extends [never]
  ? PathErrors<Placeholders<S>, A>
  : BraceError<S>;

/**
 * Each of several templates is checked by itself. (That saves the compiler work too: before `S` is inferred, it reads
 * the distributive type as that of a string, which has no placeholders.)
 */
type Checked<S extends string, A> = S extends unknown
  ? [TemplateErrors<S, A>] extends [never]
    ? S
    : `cache key template: ${TemplateErrors<S, A>}`
  : never;

/** The template itself if its placeholders fit the arguments `A`, else a sentence that says what does not. */
export type Template<S extends string, A extends readonly unknown[]> = string extends S ? S : Checked<S, A>;
