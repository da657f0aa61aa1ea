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
