import { describe } from '../describe.js';
import { milliseconds, type Duration } from '../duration.js';
import { OptionsError } from '../errors.js';
import { checkNames } from '../options.js';

/**
 * When the store cannot say. `allow`: let the call through. `deny`: throw the StoreUnavailableError. `local`: this
 * process counts for itself, with the limit divided by the number of processes. Never a RateLimitExceededError
 * for a broken store but where `local` itself has counted to the limit.
 */
export type OnLimitsUnavailable = 'allow' | 'deny' | 'local';

/** How limits are applied. Each may stand on the call or the decorator, or in `new Caching({ limits })`. */
export interface LimitOptions {
  /** @default 'local' */
  readonly onUnavailable?: OnLimitsUnavailable | undefined;
  /**
   * How many processes share a limit, for `local`: each then counts to limit / processes, rounded up.
   * @default 1
   */
  readonly processes?: number | undefined;
  /**
   * True: a refusal is remembered in this process and repeated without asking until it ends.
   * @default true
   */
  readonly blockCache?: boolean | undefined;
  /**
   * The most that a call may lose to a slow or dead store.
   * @default '250ms'
   */
  readonly budget?: Duration | undefined;
}

export interface ConsumeOptions extends LimitOptions {
  /**
   * Units to take, a whole number. 0 takes nothing and looks.
   * @default 1
   */
  readonly cost?: number | undefined;
  /**
   * Names this request: the same one again, within the window and at most a minute, gets the same answer and is
   * charged once (one that was refused, or was given back, asks anew). With it, a lost reply is asked for once more
   * within the budget. Not with a `concurrency` rule.
   */
  readonly requestId?: string | undefined;
  /**
   * How long to wait for room; the decision is what stands at its end.
   * @default 0
   */
  readonly wait?: Duration | undefined;
  /** Ends the wait: rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends ConsumeOptions {
  /** True, or a function of the error: a failure of the work gives its units back. @default false */
  readonly refundOnError?: boolean | ((error: unknown) => boolean) | undefined;
  /** True: the work runs whatever the limit says; what it would have said is published as `limit`. @default false */
  readonly dryRun?: boolean | undefined;
}

/** The options of a call, resolved: call over `new Caching({ limits })` over the library's own. */
export interface LimitPolicy {
  readonly onUnavailable: OnLimitsUnavailable;
  readonly processes: number;
  readonly blockCache: boolean;
  readonly budget: number;
}

export const limitNames = ['onUnavailable', 'processes', 'blockCache', 'budget'] as const;
export const consumeNames = [...limitNames, 'cost', 'requestId', 'wait', 'signal'] as const;
export const runNames = [...consumeNames, 'refundOnError', 'dryRun'] as const;

const OWN: LimitPolicy = { onUnavailable: 'local', processes: 1, blockCache: true, budget: 250 };

/**
 * @param where names the place in errors: `@RateLimited on login`, `new Caching({ limits })`
 * @throws OptionsError
 */
export function resolveLimitPolicy(options: LimitOptions, defaults: LimitPolicy, where: string): LimitPolicy {
  const { onUnavailable, processes, blockCache, budget } = options;
  return {
    onUnavailable:
      onUnavailable === undefined ? defaults.onUnavailable : checkUnavailable(onUnavailable, where),
    processes: processes === undefined ? defaults.processes : checkProcesses(processes, where),
    blockCache:
      blockCache === undefined ? defaults.blockCache : checkFlag(blockCache, `blockCache of ${where}`),
    budget: budget === undefined ? defaults.budget : milliseconds(budget, `budget of ${where}`),
  };
}

/**
 * For `new Caching({ limits })`.
 * @throws OptionsError
 */
export function resolveLimitDefaults(options: LimitOptions): LimitPolicy {
  const where = 'new Caching({ limits })';
  checkNames(options, limitNames, where);
  return resolveLimitPolicy(options, OWN, where);
}

/** @throws OptionsError for a value that cannot be */
export function checkLimitOptions(options: LimitOptions, where: string): void {
  resolveLimitPolicy(options, OWN, where);
}

/**
 * What `run` takes beside what `consume` takes.
 * @throws OptionsError
 */
export function checkRunOptions({ refundOnError, dryRun }: RunOptions, where: string): void {
  if (dryRun !== undefined) checkFlag(dryRun, `dryRun of ${where}`);
  if (refundOnError === undefined || typeof refundOnError === 'function') return;
  if (typeof refundOnError !== 'boolean') {
    throw new OptionsError(
      `refundOnError of ${where} is true, false or a function, and ${describe(refundOnError)} was given.`,
    );
  }
}

/** @throws OptionsError */
export function checkSignal(signal: AbortSignal | undefined, where: string): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new OptionsError(`signal of ${where} is an AbortSignal, and ${describe(signal)} was given.`);
}

function checkUnavailable(given: OnLimitsUnavailable, where: string): OnLimitsUnavailable {
  if (given === 'allow' || given === 'deny' || given === 'local') return given;
  throw new OptionsError(
    `onUnavailable of ${where} is 'allow', 'deny' or 'local', and ${describe(given)} was given.`,
  );
}

function checkProcesses(given: number, where: string): number {
  if (Number.isSafeInteger(given) && given >= 1) return given;
  throw new OptionsError(
    `processes of ${where} is a whole number, 1 or more, and ${describe(given)} was given.`,
  );
}

function checkFlag(given: boolean, what: string): boolean {
  if (typeof given === 'boolean') return given;
  throw new OptionsError(`${what} is true or false, and ${describe(given)} was given.`);
}
