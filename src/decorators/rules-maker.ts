import { OptionsError } from '../core/errors.js';
import type { Rule, WindowRule } from '../core/limits/rate-rules.js';
import { checkRoom, resolveRules, ruleSet } from '../core/limits/rule-set.js';

type OfCall<T> = (this: unknown, ...args: readonly unknown[]) => T;

/** What `@RateLimited` says of its rules: one inline, or `rules`. */
export interface RulesOptions {
  readonly limit?: number | OfCall<number> | undefined;
  readonly per?: unknown;
  readonly algorithm?: unknown;
  readonly burst?: unknown;
  readonly lease?: unknown;
  readonly rule?: unknown;
  /** A number has to fit into rules that are the same for all calls. */
  readonly cost?: number | OfCall<number> | undefined;
  readonly rules?: readonly Rule[] | OfCall<Rule | readonly Rule[]> | undefined;
}

/** The options of an inline rule. */
export const inlineNames = ['limit', 'per', 'algorithm', 'burst', 'lease', 'rule'] as const;

/**
 * The rules of a call. Those that no argument changes are made and checked once, here.
 * @throws OptionsError
 */
export function rulesMaker(
  given: RulesOptions,
  at: string,
): (self: unknown, args: unknown[]) => Rule | readonly Rule[] {
  const { limit, rules, cost } = given;
  const beside = inlineNames.find((name) => given[name] !== undefined);
  if (rules !== undefined) {
    if (beside !== undefined) {
      throw new OptionsError(`${at} has rules and ${beside}. Give it one rule, or rules that have it.`);
    }
    if (typeof rules === 'function') return (self, args) => rules.apply(self, args);
    return sameForAll(rules, cost, at);
  }
  if (limit === undefined) {
    throw new OptionsError(
      `${at} limits nothing. Give it limit: 5, per: '1m', or rules: [{ limit: 5, per: '1m' }].`,
    );
  }
  const rest = restOfRule(given);
  if (typeof limit === 'function') {
    // Whatever the limit of a call will be: the rest of its rule is checked here.
    resolveRules({ ...rest, limit: 1 }, at);
    return (self, args) => ({ ...rest, limit: limit.apply(self, args) });
  }
  return sameForAll({ ...rest, limit }, cost, at);
}

function sameForAll(
  rules: Rule | readonly Rule[],
  cost: RulesOptions['cost'],
  at: string,
): () => readonly Rule[] {
  const fixed = resolveRules(rules, at);
  if (typeof cost === 'number') checkRoom(cost, ruleSet(fixed, at), at);
  return () => fixed;
}

/** Only what is given: a rule of one kind has no option of the other. */
function restOfRule({ rule, algorithm, per, burst, lease }: RulesOptions): Omit<WindowRule, 'limit'> {
  const said = Object.entries({ name: rule, algorithm, per, burst, lease });
  return Object.fromEntries(said.filter(([, value]) => value !== undefined)) as unknown as WindowRule;
}
