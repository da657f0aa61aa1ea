import type { Decision, RuleDecision } from '../../../src/core/ports/decision.js';

export function ruleDecision(of: Partial<RuleDecision> = {}): RuleDecision {
  return {
    rule: 'default',
    algorithm: 'gcra',
    allowed: true,
    limit: 100,
    perMs: 60_000,
    used: 88,
    remaining: 12,
    retryAfterMs: 0,
    resetMs: 30_000,
    ...of,
  };
}

/** What the engine would make of these rules: the last of them decided. */
export function decisionOf(...rules: readonly RuleDecision[]): Decision {
  const { rule, limit, remaining, retryAfterMs, resetMs } = rules.at(-1) ?? ruleDecision();
  const allowed = rules.every((one) => one.allowed);
  return { allowed, limit, remaining, retryAfterMs, resetMs, rule, source: 'store', rules };
}
