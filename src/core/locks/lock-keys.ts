import { describe } from '../describe.js';
import { OptionsError } from '../errors.js';
import { logicalKey, type Key } from '../key.js';
import type { LockTarget } from './lock-options.js';
import { checkNames } from '../options.js';

const MOST_KEYS = 64;

/**
 * The logical keys, sorted, each once, so that everybody asks for them in one order.
 * @throws OptionsError, KeyError
 */
export function lockedKeys(target: LockTarget, where: string): readonly string[] {
  if (typeof target === 'string' || isParts(target)) return [logicalKey(target, where)];
  checkNames(target, ['keys'], `the target of ${where}`);
  const { keys } = target;
  if (!Array.isArray(keys) || keys.length === 0) {
    const given = Array.isArray(keys) ? 'an empty list' : describe(keys);
    throw new OptionsError(`keys of ${where} is a list of at least one key, and ${given} was given.`);
  }
  return sortedKeys(
    keys.map((key: Key) => logicalKey(key, where)),
    where,
  );
}

/** @throws OptionsError for too many */
export function sortedKeys(keys: readonly string[], where: string): readonly string[] {
  const each = [...new Set(keys)].sort();
  if (each.length >= 1 && each.length <= MOST_KEYS) return each;
  throw new OptionsError(
    `${where} locks from 1 to ${MOST_KEYS} keys at once, and ${each.length} were given. Lock one key that stands ` +
      'for all of them.',
  );
}

function isParts(target: LockTarget): target is Exclude<Key, string> {
  return Array.isArray(target);
}
