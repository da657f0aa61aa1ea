import { describe, labelText, type Label } from '../shared/describe.js';
import type { Duration } from '../shared/duration.js';
import { OptionsError } from '../shared/errors.js';
import { logicalKey, type Key } from '../keys/key.js';
import {
  abortSignal,
  checkNames,
  defaultsOf,
  duration,
  flag,
  integer,
  oneOf,
  parseOptions,
  resolveOptions,
  unchecked,
  type ParsedOptions,
  type Option,
  type Resolved,
} from '../shared/option-schema.js';

/** Each is given on the call or the decorator, or for all locks in `new Caching({ locks })`. */
export interface LockTimes {
  /**
   * How long the lock of a process that dies stays held: from 10 ms to a day. A process that lives renews it at every
   * third of it.
   * @default '10s'
   */
  readonly lease?: Duration | undefined;
  /**
   * How long to wait for the lock; 0: one attempt. An attempt that is under way when the wait ends is completed.
   * @default '5s'
   */
  readonly wait?: Duration | undefined;
  /**
   * How long in all the lease is renewed, counted from its grant. 0: it is never renewed.
   * @default '10m'
   */
  readonly renew?: Duration | undefined;
}

export interface AcquireOptions extends LockTimes {
  /**
   * `shared`: together with any number of others that are `shared` (a read lock). A waiting exclusive lock goes before
   * new shared ones.
   * @default 'exclusive'
   */
  readonly mode?: 'exclusive' | 'shared' | undefined;
  /**
   * How many may hold the key at once (a semaphore), 1 or more. All callers of a key give the same number. One lock
   * server only.
   * @default 1
   */
  readonly permits?: number | undefined;
  /**
   * True: the lock is granted in the order in which it was asked for, across all processes. One key and one lock server
   * only.
   * @default false
   */
  readonly fair?: boolean | undefined;
  /** Ends the wait: the call rejects with its reason. It does not end a lease that was acquired. */
  readonly signal?: AbortSignal | undefined;
}

export interface LockOptions extends AcquireOptions {
  /**
   * True: a caller whose own async context holds these keys exclusively runs within that lease.
   * @default false
   */
  readonly reentrant?: boolean | undefined;
  /**
   * When too few servers answer. `throw`: a LockUnavailableError after `wait`. `run`: the body runs at once without a
   * lock (for locks that only save work: nothing is exclusive then, and there is no fencing token).
   * @default 'throw'
   */
  readonly onUnavailable?: 'throw' | 'run' | undefined;
}

/** One key, or several that are acquired together or not at all. */
export type LockTarget = Key | { readonly keys: readonly Key[] };

/** Minimum: a shorter lease could expire before the reply arrives. Maximum: a crashed process must not block for more than a day. */
export const LEASE_LIMITS = { min: 10, max: 86_400_000 } as const;

/** The same as schemas: names, checks and defaults. */
export const lockTimes = {
  lease: duration({ ...LEASE_LIMITS, default: '10s' }),
  wait: duration({ default: '5s' }),
  renew: duration({ default: '10m' }),
} satisfies Record<keyof LockTimes, Option<unknown>>;

export const acquireOptions = {
  ...lockTimes,
  mode: oneOf(['exclusive', 'shared'], 'exclusive'),
  permits: integer({ min: 1 }),
  fair: flag(false),
  signal: abortSignal(),
} satisfies Record<keyof AcquireOptions, Option<unknown>>;

export const lockOptions = {
  ...acquireOptions,
  reentrant: flag(false),
  onUnavailable: oneOf(['throw', 'run'], 'throw'),
} satisfies Record<keyof LockOptions, Option<unknown>>;

const lockTarget = { keys: unchecked<readonly Key[]>('a list of at least one key') };

/** The options of one call, resolved. Durations are in ms. */
export interface LockPolicy extends Omit<Resolved<typeof lockOptions>, 'mode' | 'permits'> {
  /** `Infinity`: shared. */
  readonly permits: number;
}

export const LOCK_DEFAULTS: Resolved<typeof lockOptions> = defaultsOf(lockOptions);

const MAX_KEYS = 64;

/**
 * @param label names the place in errors: `@Locked on Invoices.settle`
 * @throws OptionsError
 */
export function resolveLockPolicy(
  options: ParsedOptions<typeof lockOptions>,
  defaults: Resolved<typeof lockOptions>,
  label: string,
): LockPolicy {
  const { mode, permits, ...rest } = resolveOptions(options, defaults);
  if (mode === 'shared' && permits !== undefined) {
    throw new OptionsError(
      `${label} has mode 'shared' and permits. A shared lock has any number of holders; to limit them give permits ` +
        'alone.',
    );
  }
  return { ...rest, permits: mode === 'shared' ? Infinity : (permits ?? 1) };
}

/**
 * Refuses what this many keys, or this kind of store, cannot have.
 * @param single there is one lock server
 * @throws OptionsError
 */
export function checkPossible(
  { fair, permits }: LockPolicy,
  keys: number,
  hasSingleAuthority: boolean,
  label: Label,
): void {
  if (fair && keys > 1) {
    throw new OptionsError(
      `${labelText(label)} is fair and has ${keys} keys. Each key has a queue of its own, and a call might never be first in all ` +
        'of them at once. Lock one key that stands for all of them, or leave fair out.',
    );
  }
  if (hasSingleAuthority) return;
  if (fair) {
    throw new OptionsError(
      `${labelText(label)} is fair, and the locks are on several servers: their queues would disagree about the order. ` +
        'Leave fair out, or keep the locks on one server.',
    );
  }
  if (permits > 1 && permits !== Infinity) {
    throw new OptionsError(
      `${labelText(label)} has permits, and the locks are on several servers: majorities do not bound how many hold a lock ` +
        '(3 servers with 2 permits each let 3 in). Keep the locks on one server, or use a concurrency limit.',
    );
  }
}

/**
 * The logical keys of a target.
 * @throws OptionsError, KeyError
 */
export function lockedKeys(target: LockTarget, label: string): readonly string[] {
  if (typeof target === 'string' || isParts(target)) return [logicalKey(target, label)];
  checkNames(target, lockTarget, `the target of ${label}`);
  const { keys } = parseOptions(lockTarget, target, label);
  if (!Array.isArray(keys) || keys.length === 0) {
    const received = Array.isArray(keys) ? 'an empty list' : describe(keys);
    throw new OptionsError(`keys of ${label} is ${lockTarget.keys.accepts}, and ${received} was given.`);
  }
  return keys.map((key: Key) => logicalKey(key, label));
}

/**
 * Each key once, sorted: all callers ask for several keys in one order, so that no two wait for each other.
 * @throws OptionsError for too many
 */
export function sortedKeys(keys: readonly string[], label: Label): readonly string[] {
  const each = [...new Set(keys)].sort();
  if (each.length >= 1 && each.length <= MAX_KEYS) return each;
  throw new OptionsError(
    `${labelText(label)} locks from 1 to ${MAX_KEYS} keys at once, and ${each.length} were given. Lock one key that stands ` +
      'for all of them.',
  );
}

function isParts(target: LockTarget): target is Exclude<Key, string> {
  return Array.isArray(target);
}
