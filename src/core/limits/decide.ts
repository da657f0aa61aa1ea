import type { Decision, RuleDecision } from './decision.js';
import type { RateReply, RateRule } from '../ports.js';
import { BLOCK, type ResolvedRule } from './rate-rules.js';
import type { RuleSet } from './rule-set.js';

/**
 * What the answers of all rules mean together.
 *
 * @param asked the rules as the store was asked: those of `set.counted`, perhaps with other limits
 */
export function decide(
  set: RuleSet,
  asked: readonly RateRule[],
  reply: RateReply,
  source: Decision['source'],
): Decision {
  let i = 0;
  const rules = set.rules.map((rule): RuleDecision => {
    if (rule.limit === 0) return closedRule(rule);
    const { limit } = asked[i]!;
    const { allowed, used, remaining, retryAfterMs, resetMs } = reply.rules[i++]!;
    const { name, algorithm, perMs } = rule;
    return { rule: name, algorithm, allowed, limit, perMs, used, remaining, retryAfterMs, resetMs };
  });
  return summary(rules, reply.blockedMs, source);
}

/** What is said where no store is asked: rules that nobody has used, and those that admit nothing. */
export function decideUnasked(set: RuleSet, source: Decision['source']): Decision {
  return summary(
    set.rules.map((rule) => (rule.limit === 0 ? closedRule(rule) : unusedRule(rule))),
    0,
    source,
  );
}

/** For a `Caching` that is not enabled, and for the policy `allow`: nothing is refused. */
export function decideAllowed(set: RuleSet, source: Decision['source']): Decision {
  return summary(set.rules.map(unusedRule), 0, source);
}

/** The same refusal, some time later. */
export function decideLater({ rule, rules, retryAfterMs }: Decision, elapsedMs: number): Decision {
  const left = (ms: number): number => Math.max(0, Math.ceil(ms - elapsedMs));
  const aged = rules.map((one): RuleDecision => ({
    rule: one.rule,
    algorithm: one.algorithm,
    allowed: one.allowed,
    limit: one.limit,
    perMs: one.perMs,
    used: one.used,
    remaining: one.remaining,
    retryAfterMs: left(one.retryAfterMs),
    resetMs: left(one.resetMs),
  }));
  return summary(aged, rule === BLOCK ? left(retryAfterMs) : 0, 'blockCache');
}

/** The rule that refuses for longest decides, else the one with least left. A block comes before all. */
function summary(rules: readonly RuleDecision[], blockedMs: number, source: Decision['source']): Decision {
  let first = rules[0]!;
  let { retryAfterMs } = first;
  for (const rule of rules) {
    if (comesBefore(rule, first)) first = rule;
    if (rule.retryAfterMs > retryAfterMs) retryAfterMs = rule.retryAfterMs;
  }
  const { limit, resetMs } = first;
  if (blockedMs > 0) {
    return {
      allowed: false,
      limit,
      remaining: 0,
      retryAfterMs: blockedMs,
      resetMs,
      rule: BLOCK,
      source,
      rules,
    };
  }
  const { allowed, remaining, rule } = first;
  return { allowed, limit, remaining, retryAfterMs, resetMs, rule, source, rules };
}

function comesBefore(rule: RuleDecision, first: RuleDecision): boolean {
  if (rule.allowed !== first.allowed) return first.allowed;
  return rule.allowed ? rule.remaining < first.remaining : rule.retryAfterMs > first.retryAfterMs;
}

function closedRule({ name, algorithm, perMs }: ResolvedRule): RuleDecision {
  return {
    rule: name,
    algorithm,
    allowed: false,
    limit: 0,
    perMs,
    used: 0,
    remaining: 0,
    retryAfterMs: Infinity,
    resetMs: 0,
  };
}

function unusedRule({ name, algorithm, limit, perMs, burst }: ResolvedRule): RuleDecision {
  return {
    rule: name,
    algorithm,
    allowed: true,
    limit,
    perMs,
    used: 0,
    remaining: burst,
    retryAfterMs: 0,
    resetMs: 0,
  };
}
