import { describeDuration, milliseconds, readDuration, type Duration } from '../shared/duration.js';
import { custom, type Option } from '../shared/option-schema.js';

/** A ttl that depends on the loaded value. */
type TtlOfResult = (this: unknown, ...args: unknown[]) => Duration;

/** The option `ttl` of calls with a loader: parsed to milliseconds, or a function. */
export type TtlOption = number | TtlOfResult;

/** In a policy: the function `ttl` of the call decides. */
export const BY_RESULT = Infinity;

export const ttlOrFunction: Option<TtlOption | undefined> = custom(
  `${describeDuration({ min: 1 })}, or a function`,
  (value) => (typeof value === 'function' ? (value as TtlOfResult) : readDuration(value, { min: 1 })),
  undefined,
);

/**
 * Binds the option `ttl` to a call.
 *
 * @param argsOf what the function is called with
 * @param label names the option in the error of the returned function
 * @returns undefined if the ttl does not depend on the value
 */
export function resultTtlOf<T>(
  ttl: TtlOption | undefined,
  label: string,
  self: unknown,
  argsOf: (value: T) => unknown[],
): ((value: T) => number) | undefined {
  if (typeof ttl !== 'function') return undefined;
  return (value) => milliseconds(ttl.apply(self, argsOf(value)), `ttl of ${label}`);
}

/** What a call says about the ttl of its value. */
interface CallTtl<T> {
  /** In ms, or BY_RESULT. */
  readonly policy: { readonly ttl: number; readonly negativeTtl: number };
  readonly resultTtl?: ((value: T) => number) | undefined;
}

/**
 * How long a value may be returned, in ms, before jitter.
 * @throws what the function `ttl` throws; OptionsError if it returns no duration
 */
export function ttlOf<T>({ policy, resultTtl }: CallTtl<T>, value: T): number {
  const ttl = value === null || value === undefined ? policy.negativeTtl : policy.ttl;
  return ttl === BY_RESULT && resultTtl !== undefined ? resultTtl(value) : ttl;
}
