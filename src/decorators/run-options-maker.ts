import { milliseconds, type Duration } from '../core/duration.js';
import { OptionsError } from '../core/errors.js';
import {
  checkLimitOptions,
  checkRunOptions,
  type LimitOptions,
  type RunOptions,
} from '../core/limits/limit-options.js';
import { checkUnits } from '../core/limits/rate-rules.js';
import { checkFunction, checkOneOf } from './check-options.js';

type OfCall<T> = (this: unknown, ...args: readonly unknown[]) => T;

/** What `@RateLimited` says of the call, not of its rules. */
export interface CallOptions extends LimitOptions {
  readonly cost?: number | OfCall<number> | undefined;
  readonly onExceeded?: 'throw' | 'wait' | undefined;
  readonly wait?: Duration | undefined;
  readonly signal?: OfCall<AbortSignal | undefined> | undefined;
  readonly refundOnError?:
    | boolean
    | ((this: unknown, error: unknown, ...args: readonly unknown[]) => boolean)
    | undefined;
  readonly dryRun?: boolean | undefined;
}

/**
 * What the verb `run` is told beside key and rules. Where no option is a function it is one object for all calls.
 * @throws OptionsError
 */
export function runOptionsMaker(
  given: CallOptions,
  at: string,
): (self: unknown, args: unknown[]) => RunOptions {
  const { cost, signal, refundOnError, dryRun } = given;
  const { onUnavailable, processes, blockCache, budget } = given;
  if (typeof cost !== 'function') checkUnits(cost ?? 1, `cost of ${at}`, 0);
  checkFunction('signal', signal, at);
  const wait = waitOf(given, at);
  const fixed: RunOptions = Object.freeze({
    ...{ onUnavailable, processes, blockCache, budget, wait, dryRun },
    cost: typeof cost === 'function' ? undefined : cost,
    refundOnError: typeof refundOnError === 'function' ? undefined : refundOnError,
  });
  checkLimitOptions(fixed, at);
  checkRunOptions(fixed, at);
  if (typeof cost !== 'function' && typeof refundOnError !== 'function' && signal === undefined)
    return () => fixed;
  return (self, args) => ({
    ...fixed,
    cost: typeof cost === 'function' ? units(cost.apply(self, args), at) : cost,
    signal: signal?.apply(self, args),
    refundOnError:
      typeof refundOnError === 'function'
        ? (error) => refundOnError.apply(self, [error, ...args])
        : refundOnError,
  });
}

/** A function that forgets to return does not mean the default. @throws OptionsError */
function units(cost: number, at: string): number {
  checkUnits(cost, `cost of ${at}`, 0);
  return cost;
}

/** How long a call waits for room. @throws OptionsError unless `onExceeded: 'wait'` and `wait` come together */
function waitOf({ onExceeded = 'throw', wait, signal }: CallOptions, at: string): number | undefined {
  checkOneOf('onExceeded', onExceeded, ['throw', 'wait'], at);
  if (onExceeded === 'wait') {
    if (wait === undefined) {
      throw new OptionsError(`${at} has onExceeded: 'wait' and does not say how long. Give it wait: '2s'.`);
    }
    return milliseconds(wait, `wait of ${at}`);
  }
  const beside = wait !== undefined ? 'wait' : signal !== undefined ? 'signal' : undefined;
  if (beside === undefined) return undefined;
  throw new OptionsError(`${at} has ${beside}, and does not wait. Give it onExceeded: 'wait'.`);
}
