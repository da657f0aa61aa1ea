import { OptionsError } from '../core/shared/errors.js';
import { defaultKey } from '../core/keys/argument-key.js';
import { logicalKey } from '../core/keys/key.js';
import { LOCK_DEFAULTS, checkPossible, lockOptions, resolveLockPolicy } from '../core/locks/lock-options.js';
import { callback, parseOptions, unchecked, type Option } from '../core/shared/option-schema.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { compileKey, compileKeys, type KeyOption, type KeysOption } from './shared/compile-key.js';
import { decoratorOptions } from './shared/decorator-options.js';
import type { LockedOptions } from './locked-options.js';
import { MethodName } from './shared/method-name.js';
import { perCaching, resolveCaching } from './shared/resolve-caching.js';

/** The options of `@Locked` as a schema: names, checks and defaults. */
export const lockedOptions = {
  key: unchecked<KeyOption>('a template or a function'),
  keys: unchecked<KeysOption>('templates or a function'),
  ...lockOptions,
  ...decoratorOptions,
  signal: callback<(this: unknown, ...args: readonly unknown[]) => AbortSignal | undefined>(),
} satisfies Record<keyof LockedOptions<unknown, readonly unknown[], string>, Option<unknown>>;

/**
 * Runs the method while holding a lock: at most one call at a time for a key, in all processes together, for as long as
 * the lease can be proven (docs/locks.md). Inside, `currentLease()` is that lease.
 *
 * The method's result, or its error, always reaches the caller: an error while the lock is released does not replace it.
 * On a `Caching` that is not enabled the method runs unlocked.
 *
 * @throws DecorationError, OptionsError while the class is defined. Calls reject with LockNotObtainedError,
 * LockUnavailableError, KeyError, the reason of the signal, and with what the method throws
 * @example
 * @Locked({ key: 'invoice:{0.id}', lease: '30s', wait: '2s' })
 * async settle(invoice: Invoice): Promise<void> {
 *   const { signal, fencingToken } = currentLease();
 * }
 */
export function Locked<This extends object, A extends readonly unknown[], R, const K extends string>(
  options: LockedOptions<This, A, K> = {},
): AsyncMethodDecorator<This, A, R> {
  return decorateLocked(options, Locked);
}

/** @param entry the public function that the user called */
export function decorateLocked<This, A extends readonly unknown[], R>(
  options: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@Locked', entry, (joinPoint) => {
    const at = `@Locked on ${String(joinPoint.name)}`;
    // The types above are for the caller; from here on arguments are what they are at run time.
    const {
      key,
      keys,
      when,
      cache,
      signal: signalOf,
      name: givenName,
      ...given
    } = parseOptions(lockedOptions, options, at);
    const hasDefaultKey = key === undefined && keys === undefined;
    const name = new MethodName('@Locked', joinPoint, givenName, hasDefaultKey ? 'locks' : undefined);
    const keysOf = compileLockKeys(key, keys, name, at);
    // Everything that does not depend on the defaults of the Caching is checked now.
    const checked = resolveLockPolicy(given, LOCK_DEFAULTS, at);
    if (Array.isArray(keys)) checkPossible(checked, keys.length, true, at);
    const policyOf = perCaching(({ engines }) => engines.locks.policy(given, at));
    return async (self, args, original) => {
      const caching = resolveCaching(self, cache, () => name.forErrors(self));
      const run = (): Promise<unknown> => callAsync(original, self, args, () => name.forErrors(self));
      const engine = caching.engines.locks;
      if (!engine.enabled || (when !== undefined && !when.apply(self, args))) {
        return engine.runUnlocked([], run);
      }
      const given = signalOf?.apply(self, args);
      const fixed = policyOf(caching);
      const method = (): string => name.forEvents(self);
      const place = (): string => name.forErrors(self);
      const policy =
        given === undefined
          ? fixed
          : { ...fixed, ...parseOptions({ signal: lockOptions.signal }, { signal: given }, place()) };
      return engine.run(engine.call(keysOf(self, args), policy, method, place), run);
    };
  });
}

function compileLockKeys(
  key: KeyOption,
  keys: KeysOption,
  name: MethodName,
  at: string,
): (self: unknown, args: unknown[]) => readonly string[] {
  if (keys === undefined) {
    const keyOf =
      compileKey(key, `key of ${at}`) ??
      ((args: unknown[], self: unknown) => defaultKey(name.forKeys(self), args));
    return (self, args) => [keyOf(args, self)];
  }
  if (key !== undefined) throw new OptionsError(`${at} has key and keys. Give it one of the two.`);
  if (Array.isArray(keys) && keys.length === 0) {
    throw new OptionsError(`keys of ${at} are one or more, and an empty list was given.`);
  }
  const listOf = compileKeys(keys, `keys of ${at}`);
  return (self, args) => listOf(self, args, args).map((one) => logicalKey(one, `keys of ${at}`));
}
