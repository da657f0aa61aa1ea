/** The names of the methods of `S` that return a promise: those that can be cached. */
export type AsyncMethodName<S> = {
  [N in keyof S]: S[N] extends (...args: never) => Promise<unknown> ? N : never;
}[keyof S];

/** The arguments of a method of `S`. */
export type MethodArguments<S, N extends keyof S> = S[N] extends (
  ...args: infer A extends readonly unknown[]
) => unknown
  ? A
  : never;

/** What the promise of a method of `S` resolves to. */
export type MethodResult<S, N extends keyof S> = S[N] extends (...args: never) => Promise<infer R>
  ? R
  : never;

/**
 * The methods of `S` that take a list of ids, and return a promise of their values: those that `@CachedMany` caches. A key of this
 * type is shown by the compiler as a list of their names.
 */
export type BatchMethods<S> = {
  [
    N in keyof S as S[N] extends (...args: infer A extends readonly unknown[]) => Promise<object>
      ? A extends readonly [readonly unknown[], ...unknown[]]
        ? N
        : never
      : never
  ]: S[N];
};

/** The arguments of a method with the id in place of the ids. */
export type ArgumentsOfOne<A extends readonly unknown[]> = A extends readonly [
  readonly (infer Id)[],
  ...infer Rest extends readonly unknown[],
]
  ? [id: Id, ...rest: Rest]
  : never;

/** The type of one value of a result: a Map by id, a list, or an object by id. */
export type ValueOf<R> =
  R extends ReadonlyMap<unknown, infer T>
    ? T
    : R extends readonly (infer T)[]
      ? NonNullable<T>
      : R extends Readonly<Record<string, infer T>>
        ? NonNullable<T>
        : never;
