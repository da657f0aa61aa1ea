import type { Decision, RuleDecision } from '../ports/decision.js';
import { quote } from '../shared/describe.js';
import { RateLimitExceededError } from '../shared/errors.js';
import type { RateReply, RateRule } from '../ports/rate-store.js';
import { BLOCK, type ResolvedRule, type RuleSet } from './rules.js';

/**
 * Builds the decision from the reply of a store.
 *
 * @param requested the rules of the request: `set.activeRules`, possibly with smaller limits
 */
export function decide(
  set: RuleSet,
  requested: readonly RateRule[],
  reply: RateReply,
  source: Decision['source'],
): Decision {
  let i = 0;
  const rules = set.rules.map((rule): RuleDecision => {
    if (rule.limit === 0) return refusing(rule);
    const { limit } = requested[i]!;
    const { allowed, used, remaining, retryAfterMs, resetMs } = reply.rules[i++]!;
    const { name, algorithm, perMs } = rule;
    return { rule: name, algorithm, allowed, limit, perMs, used, remaining, retryAfterMs, resetMs };
  });
  return summarize(rules, reply.blockedMs, source);
}

/** Decides without a store: rules with a limit of 0 refuse, all others count as unused. */
export function decideWithoutStore(set: RuleSet, source: Decision['source']): Decision {
  return summarize(
    set.rules.map((rule) => (rule.limit === 0 ? refusing(rule) : unused(rule))),
    0,
    source,
  );
}

/** Allows the call, for a `Caching` that is not enabled and for `onUnavailable: 'allow'`. */
export function allowAll(set: RuleSet, source: Decision['source']): Decision {
  return summarize(set.rules.map(unused), 0, source);
}

/** A cached refusal, with its times reduced by `elapsedMs`. */
export function ageDecision({ rule, rules, retryAfterMs }: Decision, elapsedMs: number): Decision {
  const remainingOf = (ms: number): number => Math.max(0, Math.ceil(ms - elapsedMs));
  const aged = rules.map((one): RuleDecision => ({
    ...one,
    retryAfterMs: remainingOf(one.retryAfterMs),
    resetMs: remainingOf(one.resetMs),
  }));
  return summarize(aged, rule === BLOCK ? remainingOf(retryAfterMs) : 0, 'denialCache');
}

/** The error of a refused call. */
export function limitExceeded(key: string, decision: Decision): RateLimitExceededError {
  return new RateLimitExceededError(messageOf(quote(key), decision), key, decision);
}

/**
 * Selects the deciding rule: a block, else the rule that refuses for longest, else the one with the fewest units left.
 */
function summarize(rules: readonly RuleDecision[], blockedMs: number, source: Decision['source']): Decision {
  let deciding = rules[0]!;
  let { retryAfterMs } = deciding;
  for (const rule of rules) {
    if (decidesBefore(rule, deciding)) deciding = rule;
    if (rule.retryAfterMs > retryAfterMs) retryAfterMs = rule.retryAfterMs;
  }
  const { allowed, limit, remaining, resetMs, rule } = deciding;
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
  return { allowed, limit, remaining, retryAfterMs, resetMs, rule, source, rules };
}

function decidesBefore(rule: RuleDecision, deciding: RuleDecision): boolean {
  if (rule.allowed !== deciding.allowed) return deciding.allowed;
  return rule.allowed ? rule.remaining < deciding.remaining : rule.retryAfterMs > deciding.retryAfterMs;
}

function refusing(rule: ResolvedRule): RuleDecision {
  return { ...unused(rule), allowed: false, remaining: 0, retryAfterMs: Infinity };
}

function unused({ name, algorithm, limit, perMs, burst }: ResolvedRule): RuleDecision {
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

function messageOf(key: string, { rule, rules, retryAfterMs }: Decision): string {
  if (rule === BLOCK) return `${key} is blocked for another ${retryAfterMs} ms.`;
  const { algorithm, limit, perMs } = rules.find((one) => one.rule === rule)!;
  if (limit === 0) return `Rate limit '${rule}' of ${key} is 0: it allows no call.`;
  if (algorithm === 'concurrency') {
    return `Rate limit '${rule}' of ${key} is used up: ${limit} at once. A slot is free in ${retryAfterMs} ms at the latest.`;
  }
  return `Rate limit '${rule}' of ${key} is used up: ${limit} in ${perMs} ms. Try again in ${retryAfterMs} ms.`;
}
