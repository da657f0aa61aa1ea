import { Caching } from '../../core/caching.js';
import type { Decision } from '../../core/ports/decision.js';
import { describe } from '../../core/shared/describe.js';
import { OptionsError } from '../../core/shared/errors.js';
import type { LimitOptions } from '../../core/limits/limit-options.js';

/** The largest limit of a rule. The frameworks compare the number of hits with their own limit. */
export const UNLIMITED = 1_000_000_000;

/** Rejects if the store does not answer, because the frameworks have an option for that. */
export const DENY_ON_ERROR: LimitOptions = { onUnavailable: 'deny', denialCache: false };

/** Returns the hits of the first rule of a decision. */
export function hitsOf(decision: Decision): { readonly hits: number; readonly resetMs: number } {
  const [rule] = decision.rules;
  return { hits: rule?.used ?? 0, resetMs: rule?.resetMs ?? 0 };
}

/** @throws OptionsError */
export function checkCaching(caching: unknown, label: string): void {
  if (Caching.is(caching)) return;
  throw new OptionsError(`caching of ${label} is a Caching, and ${describe(caching)} was given.`);
}
