import { Caching } from '../../core/caching.js';
import type { Decision } from '../../core/ports/decision.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import type { LimitOptions } from '../../core/limits/limit-options.js';

/** More than is ever counted: who asks for a number of hits compares it with a limit himself. */
export const UNLIMITED = 1_000_000_000;

/** A store that does not answer is an error, and never a number: the framework has a policy of its own for it. */
export const DENY_ON_ERROR: LimitOptions = { onUnavailable: 'deny', denialCache: false };

/** What the one rule that was asked has counted. */
export function hitsOf(decision: Decision): { readonly hits: number; readonly resetMs: number } {
  const [rule] = decision.rules;
  return { hits: rule?.used ?? 0, resetMs: rule?.resetMs ?? 0 };
}

/** @throws OptionsError */
export function checkCaching(caching: unknown, where: string): void {
  if (Caching.is(caching)) return;
  throw new OptionsError(`caching of ${where} is a Caching, and ${describe(caching)} was given.`);
}
