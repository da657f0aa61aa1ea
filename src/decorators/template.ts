/**
 * The compiler's side of key templates: positions and paths (`{0}`, `{0.id}`) are looked up in the method's
 * arguments, and a hole that is no scalar there becomes an error that says so.
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

type IsAny<T> = 0 extends 1 & T ? true : false;

/** The type at `0`, `0.id`, `1.a.b` in an argument tuple. */
type Dig<T, Path extends string> =
  IsAny<T> extends true
    ? T
    : Path extends `${infer Head}.${infer Rest}`
      ? Dig<NonNullable<Step<T, Head>>, Rest>
      : Step<T, Path>;

/** What is wrong with the braces. */
type Fault<S extends string> = S extends `${infer Literal}{${infer Opened}`
  ? Literal extends `${string}}${string}`
    ? Unopened
    : Opened extends `${string}}${infer Rest}`
      ? Rest extends `{${string}`
        ? "put ':' between two holes"
        : Fault<Rest>
      : "it has a '{' without a '}' after it"
  : S extends `${string}}${string}`
    ? Unopened
    : never;
type Unopened = "it has a '}' without a '{' before it";

type Holes<S extends string> = S extends `${string}{${infer Path}}${infer Rest}` ? Path | Holes<Rest> : never;

type Printed<T> = T extends string
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

/** A path that is no scalar there. */
type NotScalar<Path extends string, A> = Path extends Position | `${Position}.${string}`
  ? IsAny<Dig<A, Path>> extends true
    ? never
    : [Dig<A, Path>] extends [never]
      ? Path
      : [Dig<A, Path>] extends [Scalar]
        ? never
        : Path
  : Path;

/** A path whose values print alike though they differ: 1 and '1'. */
type Ambiguous<Path extends string, A> = Path extends unknown
  ? IsAny<Dig<A, Path>> extends true
    ? never
    : IsUnion<Printed<Dig<A, Path>>> extends false
      ? never
      : Path
  : never;

/** The template itself if its holes fit the arguments `A`, else a sentence that says what does not. */
export type Template<S extends string, A extends readonly unknown[]> = string extends S
  ? S
  : [Fault<S>] extends [never]
    ? [NotScalar<Holes<S>, A>] extends [never]
      ? [Ambiguous<Holes<S>, A>] extends [never]
        ? S
        : `cache key template: {${Ambiguous<Holes<S>, A>}} may be values that print alike, such as 1 and '1': use a function`
      : `cache key template: {${NotScalar<Holes<S>, A>}} is not a scalar argument of the method`
    : `cache key template: ${Fault<S>}`;
