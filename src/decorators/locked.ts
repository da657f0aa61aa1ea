import { OptionsError } from '../core/shared/errors.js';
import { KeyContext } from '../core/keys/context.js';
import { defaultKey } from '../core/keys/argument-key.js';
import { logicalKey } from '../core/keys/key.js';
import { LOCK_DEFAULTS, checkPossible, lockOptions, resolveLockPolicy } from '../core/locks/lock-options.js';
import { callback, parseOptions, unchecked, type Option } from '../core/shared/option-schema.js';
import { around, callAsync, type AsyncMethodDecorator } from './shared/around.js';
import { perClass } from './shared/class-defaults.js';
import { compileKey, compileKeys, type KeyOption, type KeysOption } from './shared/compile-key.js';
import { decoratorOptions } from './shared/decorator-options.js';
import type { LockedOptions } from './locked-options.js';
import { MethodName } from './shared/method-name.js';
import { perCaching, resolveCaching } from './shared/resolve-caching.js';

/** The schema of `LockedOptions`: names, checks and defaults. */
export const lockedOptions = {
  key: unchecked<KeyOption>('a template or a function'),
  keys: unchecked<KeysOption>('templates or a function'),
  ...lockOptions,
  ...decoratorOptions,
  signal: callback<(this: unknown, ...args: readonly unknown[]) => AbortSignal | undefined>(),
} satisfies Record<keyof LockedOptions<unknown, readonly unknown[], string>, Option<unknown>>;

/**
 * Runs the method while holding a lock. At most one call at a time runs for a key, across all processes, as long as its
 * lease is valid (docs/locks.md). In the method, `currentLease()` returns the lease; its `signal` aborts when the lease
 * is lost.
 *
 * The caller always gets the result or the error of the method: an error of the release does not replace it. If the
 * `Caching` is not enabled, the method runs without a lock.
 *
 * @throws DecorationError, OptionsError while the class is defined
 * @throws LockNotObtainedError (rejection) if others hold the lock for the whole `wait`
 * @throws LockUnavailableError (rejection) if too few servers answer within `wait`, and `onUnavailable` is `'throw'`
 * @throws KeyError (rejection) if the call has no valid key
 * @throws MissingCachingError (rejection) if no `Caching` is found
 * @throws MissingContextError (rejection) if a part of the context that the keys must have is not set
 * @throws (rejection) the reason of the signal, and the errors of the method
 * @see G8 in docs/coherence.md
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

/**
 * `@Locked` without the types of its options.
 *
 * @param entry the public function that the user called
 */
export function decorateLocked<This, A extends readonly unknown[], R>(
  rawOptions: object,
  entry: (...args: never) => unknown,
): AsyncMethodDecorator<This, A, R> {
  return around('@Locked', entry, (joinPoint) => {
    const label = `@Locked on ${String(joinPoint.name)}`;
    const {
      key,
      keys,
      when,
      cache: cacheOption,
      signal: signalOf,
      name: nameOption,
      context: contextOption,
      ...options
    } = parseOptions(lockedOptions, rawOptions, label);
    const hasDefaultKey = key === undefined && keys === undefined;
    const name = new MethodName('@Locked', joinPoint, nameOption, hasDefaultKey ? 'locks' : undefined);
    const keysOf = compileLockKeys(key, keys, name, label);
    // Check now what does not depend on the defaults of the Caching.
    const checked = resolveLockPolicy(options, LOCK_DEFAULTS, label);
    if (Array.isArray(keys)) checkPossible(checked, keys.length, true, label);
    const planOf = perClass(joinPoint, (defaults) => ({
      cache: cacheOption ?? defaults.cache,
      setupOf: perCaching(({ engines, context }) => ({
        fixed: engines.locks.policy(options, label),
        context: KeyContext.for(context, contextOption ?? defaults.context),
      })),
    }));
    return async (self, args, original) => {
      const { cache, setupOf } = planOf(self);
      const caching = resolveCaching(self, cache, name);
      const run = (): Promise<unknown> => callAsync(original, self, args, name);
      const engine = caching.engines.locks;
      if (!engine.enabled || (when !== undefined && !when.apply(self, args))) {
        return engine.runUnlocked([], run);
      }
      const signal = signalOf?.apply(self, args);
      const { fixed, context } = setupOf(caching);
      const method = (): string => name.forEvents(self);
      const callLabel = (): string => name.forErrors(self);
      const policy =
        signal === undefined
          ? fixed
          : { ...fixed, ...parseOptions({ signal: lockOptions.signal }, { signal }, callLabel()) };
      const named = keysOf(self, args);
      const parts = context?.read(callLabel);
      const keys = parts === undefined ? named : named.map((one) => parts.key(one));
      return engine.run(engine.call(keys, policy, method, callLabel), run);
    };
  });
}

function compileLockKeys(
  key: KeyOption,
  keys: KeysOption,
  name: MethodName,
  label: string,
): (self: unknown, args: unknown[]) => readonly string[] {
  if (keys === undefined) {
    const keyOf =
      compileKey(key, `key of ${label}`) ??
      ((args: unknown[], self: unknown) => defaultKey(name.forKeys(self), args));
    return (self, args) => [keyOf(args, self)];
  }
  if (key !== undefined) throw new OptionsError(`${label} has both key and keys. Give it one of the two.`);
  if (Array.isArray(keys) && keys.length === 0) {
    throw new OptionsError(`keys of ${label} are one or more, and an empty list was given.`);
  }
  const listOf = compileKeys(keys, `keys of ${label}`);
  return (self, args) => listOf(self, args, args).map((lockKey) => logicalKey(lockKey, `keys of ${label}`));
}
