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

/** The durations of a lock. Set on the call or the decorator, or for all locks in `new Caching({ locks })`. */
export interface LockTimes {
  /**
   * How long the lock of a crashed process stays held: from 10 ms to 1 day. A running process renews the lease after each
   * third of it.
   * @default '10s'
   */
  readonly lease?: Duration | undefined;
  /**
   * How long to wait for the lock: 0 ms or more. 0: one attempt. An attempt that is in progress when the wait ends is
   * completed.
   * @default '5s'
   */
  readonly wait?: Duration | undefined;
  /**
   * The total time for which the lease is renewed, counted from its request: 0 ms or more. 0: it is never renewed.
   * @default '10m'
   */
  readonly renew?: Duration | undefined;
}

/** The options of `locks.acquire`. */
export interface AcquireOptions extends LockTimes {
  /**
   * `exclusive`: one holder. `shared`: any number of holders whose mode is `shared` too (a read lock). A waiting exclusive
   * lock is granted before new shared ones.
   * @default 'exclusive'
   */
  readonly mode?: 'exclusive' | 'shared' | undefined;
  /**
   * How many callers may hold the key at once (a semaphore): 1 or more. All callers of a key must pass the same number. Only
   * with one lock server, and not with mode `shared`.
   * @default 1
   */
  readonly permits?: number | undefined;
  /**
   * True: the lock is granted in the order of the requests, across all processes. Only for one key, and with one lock
   * server.
   * @default false
   */
  readonly fair?: boolean | undefined;
  /** Ends the wait: the call rejects with the signal's reason. It does not end an acquired lease. @default none */
  readonly signal?: AbortSignal | undefined;
}

/** The options of `locks.withLease`. */
export interface LockOptions extends AcquireOptions {
  /**
   * True: a caller whose async context already holds these keys exclusively runs within that lease.
   * @default false
   */
  readonly reentrant?: boolean | undefined;
  /**
   * What happens if too few servers answer. `throw`: the call rejects with a LockUnavailableError after `wait`. `run`: the
   * body runs at once without a lock and without a fencing token, for locks that only save work.
   * @default 'throw'
   */
  readonly onUnavailable?: 'throw' | 'run' | undefined;
}

/** One key, or several that are acquired together or not at all. */
export type LockTarget = Key | { readonly keys: readonly Key[] };

/** Minimum: a shorter lease could expire before the reply arrives. Maximum: a crashed process must not block longer. */
export const LEASE_LIMITS = { min: 10, max: 86_400_000 } as const;

/** The schemas of the interfaces above. */
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
  /** Infinity: shared. */
  readonly permits: number;
}

export const LOCK_DEFAULTS: Resolved<typeof lockOptions> = defaultsOf(lockOptions);

const MAX_KEYS = 64;

/**
 * Merges the options of a call with the defaults.
 *
 * @param label names the call in errors: `@Locked on Invoices.settle`
 * @throws OptionsError for `shared` with permits
 */
export function resolveLockPolicy(
  options: ParsedOptions<typeof lockOptions>,
  defaults: Resolved<typeof lockOptions>,
  label: string,
): LockPolicy {
  const { mode, permits, ...rest } = resolveOptions(options, defaults);
  if (mode === 'shared' && permits !== undefined) {
    throw new OptionsError(
      `${label} has mode 'shared' and permits. A shared lock has any number of holders; to limit them, set permits and ` +
        'remove the mode.',
    );
  }
  return { ...rest, permits: mode === 'shared' ? Infinity : (permits ?? 1) };
}

/**
 * Checks that a policy is possible with this number of keys and this store.
 *
 * @param hasSingleAuthority true if one lock server decides
 * @throws OptionsError if it is not
 */
export function checkPossible(
  { fair, permits }: LockPolicy,
  keys: number,
  hasSingleAuthority: boolean,
  label: Label,
): void {
  if (fair && keys > 1) {
    throw new OptionsError(
      `${labelText(label)} is fair and has ${keys} keys. Each key has its own queue, and a call might never be first in all of ` +
        'them at once. Lock one key that represents all of them, or remove fair.',
    );
  }
  if (hasSingleAuthority) return;
  if (fair) {
    throw new OptionsError(
      `${labelText(label)} is fair, and the locks are on several servers: their queues could have different orders. ` +
        'Remove fair, or keep the locks on one server.',
    );
  }
  if (permits > 1 && permits !== Infinity) {
    throw new OptionsError(
      `${labelText(label)} has permits, and the locks are on several servers: majorities do not limit the number of holders ` +
        '(3 servers with 2 permits each admit 3). Keep the locks on one server, or use a concurrency limit.',
    );
  }
}

/**
 * Returns the logical keys of a target.
 *
 * @throws OptionsError for an invalid target, KeyError for an invalid key
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
 * Sorts keys and removes duplicates. All callers acquire keys in the same order, so that no two wait for each other.
 *
 * @throws OptionsError for no key and for more than 64
 */
export function sortedKeys(keys: readonly string[], label: Label): readonly string[] {
  if (keys.length === 1) return keys;
  const each = [...new Set(keys)].sort();
  if (each.length >= 1 && each.length <= MAX_KEYS) return each;
  throw new OptionsError(
    `${labelText(label)} locks from 1 to ${MAX_KEYS} keys at once, and ${each.length} were given. Lock one key that represents ` +
      'all of them.',
  );
}

function isParts(target: LockTarget): target is Exclude<Key, string> {
  return Array.isArray(target);
}
