/**
 * Checks key templates at compile time. The positions and paths of placeholders (`{0}`, `{0.id}`) are looked up in the
 * argument types of the method; one that is not a scalar there is a compile error with a sentence. One that depends on
 * a type parameter of the class is accepted, because it is not known yet.
 */
type Scalar = string | number | boolean | bigint | Date | null | undefined;

/**
 * The type after one step of a path. If `T` is a union, every member must have the step. A position after the named
 * elements of a tuple has the type of its rest element.
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

/** A position of an argument or an array element: `0`, `12`. */
type Position = `${bigint}`;

/**
 * For `any`, `T extends never` is both branches: `boolean`. (The usual `0 extends 1 & T` does not work for a type
 * parameter: the compiler reduces `1 & T` to never as soon as `T` extends string.)
 */
type IsAny<T> = [boolean] extends [T extends never ? true : false] ? true : false;

/** The type at `0`, `0.id`, `1.a.b` in an argument tuple. */
type PathValue<T, Path extends string> =
  IsAny<T> extends true
    ? T
    : Path extends `${infer Head}.${infer Rest}`
      ? PathValue<NonNullable<Step<T, Head>>, Rest>
      : Step<T, Path>;

/** A sentence about the first mistake in the braces, else never. */
type BraceError<S extends string> = S extends `${infer Literal}{${infer Opened}`
  ? Literal extends `${string}}${string}`
    ? Unopened
    : Opened extends `${string}}${infer Rest}`
      ? Rest extends `{${string}`
        ? "put ':' between two placeholders"
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

/** Different values with the same text, such as 1 and '1'. */
type Ambiguous<Path extends string> =
  `{${Path}} may be values that print alike, such as 1 and '1': use a function`;

/** `'fits'`, or a sentence about what does not fit. */
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
 * The sentence of a check that fails for every possible value of the type parameters in it, else never.
 *
 * The compiler defers a conditional type on a type parameter, and no string is assignable to a deferred type: a plain
 * `Check extends ...` would reject every template of a generic class. It does not defer the comparison of two function
 * types: if it fails with `any` for every type parameter, the result is the false branch; and with `any` the check
 * fits.
 */
type CertainError<Check> = (() => Check) extends () => `{${string}` ? Check : never;

type PathErrors<Path extends string, A> = Path extends unknown ? CertainError<PathCheck<Path, A>> : never;

type TemplateErrors<S extends string, A> = [BraceError<S>] extends [never]
  ? PathErrors<Placeholders<S>, A>
  : BraceError<S>;

/**
 * Distributes over `S`, so that each of several templates is checked by itself. (It also saves the compiler work:
 * before `S` is inferred it is string, which has no placeholders.)
 */
type Checked<S extends string, A> = S extends unknown
  ? [TemplateErrors<S, A>] extends [never]
    ? S
    : `cache key template: ${TemplateErrors<S, A>}`
  : never;

/**
 * The type of a template: `S` itself if its placeholders fit the argument types `A`, else a sentence about what does
 * not fit, which the compiler then shows. A template that is not a literal is not checked.
 */
export type Template<S extends string, A extends readonly unknown[]> = string extends S ? S : Checked<S, A>;
