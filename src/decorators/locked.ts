import { OptionsError } from '../core/errors.js';
import { defaultKey, logicalKey } from '../core/key.js';
import { checkPossible, lockOptionNames, resolveLock, type LockOptions } from '../core/locks/lock-options.js';
import { checkNames } from '../core/options.js';
import { around, callAsync, type AsyncMethodDecorator } from './around.js';
import { checkFunction, checkMethodName } from './check-options.js';
import { keyMaker, type KeyOption } from './key-maker.js';
import { listMaker, type ListOption } from './list-maker.js';
import type { LockedCallOptions, LockedOptions } from './locked-options.js';
import { MethodId } from './method-id.js';
import { checkSource, resolveCaching } from './resolve.js';

const NAMES = ['key', 'keys', ...lockOptionNames, 'when', 'name', 'cache'];

type AnyOptions = LockedCallOptions<unknown, readonly unknown[]> & {
  readonly key?: KeyOption;
  readonly keys?: ListOption;
};

/**
 * Runs the method while holding a lock: at most one call at a time for a key, in all processes together, for as
 * long as the lease can be proven (docs/locks.md). Inside, `currentLease()` is that lease.
 *
 * The method's result, or its error, always reaches the caller: what goes wrong while the lock is given back does
 * not take its place. On a `Caching` that is not enabled the method runs unlocked.
 *
 * @throws DecorationError, OptionsError while the class is defined; its calls reject with LockNotObtainedError,
 * LockUnavailableError, KeyError, and with the reason of the signal
 * @example
 * @Locked({ key: 'invoice:{0.id}', lease: '30s', wait: '2s' })
 * async settle(invoice: Invoice): Promise<void> {
 *   const { signal, fencingToken } = currentLease();
 * }
 */
export function Locked<This extends object, A extends readonly unknown[], R, const K extends string>(
  options: LockedOptions<This, A, K> = {},
): AsyncMethodDecorator<This, A, R> {
  checkNames(options, NAMES, '@Locked({ ... })');
  // The types above are for the caller; from here on arguments are what they are at run time.
  const given = options as unknown as AnyOptions;
  return around('@Locked', (site) => {
    const at = `@Locked on ${String(site.name)}`;
    checkFunction('when', given.when, at);
    checkFunction('signal', given.signal, at);
    checkMethodName(given.name, at);
    checkSource(given.cache, at);
    const isDefault = given.key === undefined && given.keys === undefined;
    const id = new MethodId('@Locked', site, given.name, isDefault ? 'locks' : undefined);
    const keysOf = keysMaker(given, id, at);
    const lockOptions = optionsOf(given);
    const policy = resolveLock(lockOptions, {}, at);
    if (Array.isArray(given.keys)) checkPossible(policy, given.keys.length, true, at);
    return async (self, args, original) => {
      const caching = resolveCaching(self, given.cache, () => id.where(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => id.where(self));
      if (!caching.enabled || (given.when !== undefined && !given.when.apply(self, args))) {
        return caching.locks.unlocked([], run);
      }
      const signal = given.signal?.apply(self, args);
      const options = signal === undefined ? lockOptions : { ...lockOptions, signal };
      return caching.locks.withLeaseAs(id.of(self), keysOf(self, args), options, run);
    };
  });
}

/** What the verb takes of it. */
function optionsOf({
  lease,
  wait,
  renew,
  mode,
  permits,
  fair,
  reentrant,
  onUnavailable,
}: AnyOptions): LockOptions {
  return Object.freeze({ lease, wait, renew, mode, permits, fair, reentrant, onUnavailable });
}

function keysMaker(
  { key, keys }: AnyOptions,
  id: MethodId,
  at: string,
): (self: unknown, args: unknown[]) => readonly string[] {
  if (keys === undefined) {
    const keyOf = keyMaker(key, at) ?? ((self, args) => defaultKey(id.inKeys(self), args));
    return (self, args) => [keyOf(self, args)];
  }
  if (key !== undefined) throw new OptionsError(`${at} has key and keys. Give it one of the two.`);
  if (Array.isArray(keys) && keys.length === 0) {
    throw new OptionsError(`keys of ${at} are one or more, and an empty list was given.`);
  }
  const listOf = listMaker(keys, `keys of ${at}`);
  return (self, args) => listOf(self, args, args).map((one) => logicalKey(one, `keys of ${at}`));
}
