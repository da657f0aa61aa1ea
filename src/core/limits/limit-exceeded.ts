import type { Decision } from './decision.js';
import { quote } from '../describe.js';
import { RateLimitExceededError } from '../errors.js';
import { BLOCK } from './rate-rules.js';

/** The error of a call that was refused. */
export function limitExceeded(key: string, decision: Decision): RateLimitExceededError {
  return new RateLimitExceededError(messageOf(quote(key), decision), key, decision);
}

function messageOf(key: string, { rule, rules, retryAfterMs }: Decision): string {
  if (rule === BLOCK) return `${key} is blocked for another ${retryAfterMs} ms.`;
  const { algorithm, limit, perMs } = rules.find((one) => one.rule === rule)!;
  if (limit === 0) return `Rate limit '${rule}' of ${key} is 0: it lets nothing through.`;
  if (algorithm === 'concurrency') {
    return `Rate limit '${rule}' of ${key} is used up: ${limit} at once. One is free in ${retryAfterMs} ms at the latest.`;
  }
  return `Rate limit '${rule}' of ${key} is used up: ${limit} in ${perMs} ms. Try again in ${retryAfterMs} ms.`;
}
