import { describe } from '../describe.js';
import { milliseconds, type Duration } from '../duration.js';
import { OptionsError } from '../errors.js';
import type { Key } from '../key.js';
import { checkNames } from '../options.js';

/** Each may stand on the call or the decorator, or in `new Caching({ locks })`. */
export interface LockTimes {
  /**
   * How long the lock is kept for a process that dies: from 10 ms to a day. One that lives renews it at every third
   * of it.
   * @default '10s'
   */
  readonly lease?: Duration | undefined;
  /**
   * How long to wait for the lock; 0: one attempt. An attempt under way at its end is waited for.
   * @default '5s'
   */
  readonly wait?: Duration | undefined;
  /**
   * How long in all the lease is kept by renewals, counted from its grant. 0: it is never renewed.
   * @default '10m'
   */
  readonly renew?: Duration | undefined;
}

export interface AcquireOptions extends LockTimes {
  /**
   * `shared`: together with any others that are `shared` (a read lock). A waiting exclusive lock comes before new
   * shared ones.
   * @default 'exclusive'
   */
  readonly mode?: 'exclusive' | 'shared' | undefined;
  /**
   * How many may hold the key at once (a semaphore). All callers of a key give the same number. One server only.
   * @default 1
   */
  readonly permits?: number | undefined;
  /** True: in the order in which they asked, across all processes. One key and one server only. @default false */
  readonly fair?: boolean | undefined;
  /** Ends the wait: rejects with its reason. It does not end a lease that was got. */
  readonly signal?: AbortSignal | undefined;
}

export interface LockOptions extends AcquireOptions {
  /**
   * True: a caller whose own async context holds these keys, alone, already runs within that lease.
   * @default false
   */
  readonly reentrant?: boolean | undefined;
  /**
   * When too few servers answer: `throw` a LockUnavailableError after `wait`, or `run` the body at once without a
   * lock (for locks that only save work: nothing is exclusive then, and there is no fencing token).
   * @default 'throw'
   */
  readonly onUnavailable?: 'throw' | 'run' | undefined;
}

/** One key, or several that are got together or not at all. */
export type LockTarget = Key | { readonly keys: readonly Key[] };

/** The same, resolved once: call over defaults over the library's own. Durations in ms. */
export interface LockPolicy {
  readonly lease: number;
  readonly wait: number;
  readonly renew: number;
  /** `Infinity`: shared. */
  readonly permits: number;
  readonly fair: boolean;
  readonly signal: AbortSignal | undefined;
  readonly reentrant: boolean;
  readonly onUnavailable: 'throw' | 'run';
}

const lockTimeNames: readonly (keyof LockTimes)[] = ['lease', 'wait', 'renew'];

export const acquireOptionNames: readonly (keyof AcquireOptions)[] = [
  ...lockTimeNames,
  'mode',
  'permits',
  'fair',
  'signal',
];

export const lockOptionNames: readonly (keyof LockOptions)[] = [
  ...acquireOptionNames,
  'reentrant',
  'onUnavailable',
];

/** A shorter lease would end on its way; a longer one of a process that died is no lease any more. */
export const leaseLimits = { min: 10, max: 86_400_000 } as const;

/**
 * Checks what can be checked before there is a `Caching`.
 * @param where names the place in errors: `@Locked on Invoices.settle`
 * @throws OptionsError
 */
export function checkLockOptions(options: LockOptions, where: string): void {
  resolveLock(options, {}, where);
}

/**
 * Checks the defaults of a `Caching`.
 * @throws OptionsError
 */
export function checkLockTimes(defaults: LockTimes, where: string): void {
  checkNames(defaults, lockTimeNames, where);
  resolveLock(defaults, {}, where);
}

/** @throws OptionsError for a value that cannot be */
export function resolveLock(options: LockOptions, defaults: LockTimes, where: string): LockPolicy {
  const { mode = 'exclusive', permits, signal, onUnavailable = 'throw' } = options;
  checkOneOf('mode', mode, ['exclusive', 'shared'], where);
  checkOneOf('onUnavailable', onUnavailable, ['throw', 'run'], where);
  if (mode === 'shared' && permits !== undefined) {
    throw new OptionsError(
      `${where} has mode 'shared' and permits. A shared lock is held by any number; for at most so many at once ` +
        'give permits alone.',
    );
  }
  return Object.freeze({
    lease: milliseconds(options.lease ?? defaults.lease ?? 10_000, `lease of ${where}`, leaseLimits),
    wait: milliseconds(options.wait ?? defaults.wait ?? 5_000, `wait of ${where}`),
    renew: milliseconds(options.renew ?? defaults.renew ?? 600_000, `renew of ${where}`),
    permits: mode === 'shared' ? Infinity : count(permits ?? 1, where),
    fair: flag('fair', options.fair, where),
    signal: signalOf(signal, where),
    reentrant: flag('reentrant', options.reentrant, where),
    onUnavailable,
  });
}

/**
 * What this many keys on this kind of store cannot have.
 * @throws OptionsError
 */
export function checkPossible(
  { fair, permits }: LockPolicy,
  keys: number,
  single: boolean,
  where: string,
): void {
  if (fair && keys > 1) {
    throw new OptionsError(
      `${where} is fair and has ${keys} keys. Each key has a queue of its own, and to be first in all of them at ` +
        'once may take for ever. Lock one key that stands for all of them, or leave fair out.',
    );
  }
  if (single) return;
  if (fair) {
    throw new OptionsError(
      `${where} is fair, and the locks are on several servers: their queues would disagree about the order. ` +
        'Leave fair out, or keep the locks on one server.',
    );
  }
  if (permits > 1 && permits !== Infinity) {
    throw new OptionsError(
      `${where} has permits, and the locks are on several servers: majorities do not bound how many hold a lock ` +
        '(3 servers with 2 permits each let 3 in). Keep the locks on one server, or use a concurrency limit.',
    );
  }
}

function checkOneOf(name: string, value: unknown, known: readonly string[], where: string): void {
  if (typeof value === 'string' && known.includes(value)) return;
  const choice = known.map((one) => `'${one}'`).join(' or ');
  throw new OptionsError(`${name} of ${where} is ${choice}, and ${describe(value)} was given.`);
}

function count(permits: number, where: string): number {
  if (Number.isSafeInteger(permits) && permits >= 1) return permits;
  throw new OptionsError(
    `permits of ${where} is a whole number, at least 1, and ${describe(permits)} was given. For any number at ` +
      `once: mode: 'shared'.`,
  );
}

function flag(name: string, value: boolean | undefined, where: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw new OptionsError(`${name} of ${where} is true or false, and ${describe(value)} was given.`);
}

function signalOf(signal: AbortSignal | undefined, where: string): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  if (typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function') return signal;
  throw new OptionsError(`signal of ${where} is an AbortSignal, and ${describe(signal)} was given.`);
}
