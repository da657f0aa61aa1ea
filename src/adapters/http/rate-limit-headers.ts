import type { Decision, RuleDecision } from '../../core/ports/decision.js';
import { RateLimitExceededError } from '../../core/shared/errors.js';
import { oneOf, parseOptions, type Option } from '../../core/shared/option-schema.js';

export interface RateLimitHeadersOptions {
  /**
   * Adds `X-RateLimit-Limit`, `-Remaining` and `-Reset` of the rule that decided. `-Reset` means two things in the
   * field: `delta` gives the seconds until then (as @fastify/rate-limit does), `epoch` the second since 1970 (as
   * GitHub and express-rate-limit do).
   * @default none of them
   */
  readonly legacy?: 'delta' | 'epoch' | undefined;
}

/** The same as a schema: names and checks. */
export const rateLimitHeadersOptions = {
  legacy: oneOf(['delta', 'epoch']),
} satisfies Record<keyof RateLimitHeadersOptions, Option<unknown>>;

/**
 * What a decision says, for a response: `RateLimit-Policy` and `RateLimit` with one member for each rule
 * (draft-ietf-httpapi-ratelimit-headers-11), and `Retry-After` for a refusal that ends.
 *
 * All times are whole seconds, rounded up, so that who waits as long as he was told is not too early.
 *
 * @throws OptionsError
 * @example
 * response.set(rateLimitHeaders(await caching.limits.consume(`api:${user.id}`, { limit: 100, per: '1m' })));
 */
export function rateLimitHeaders(
  from: Decision | RateLimitExceededError,
  options: RateLimitHeadersOptions = {},
): Record<string, string> {
  const { legacy } = parseOptions(rateLimitHeadersOptions, options, 'rateLimitHeaders(decision, { ... })');
  const decision = from instanceof RateLimitExceededError ? from.decision : from;
  const headers: Record<string, string> = {};
  // A list in a structured field has at least one member.
  if (decision.rules.length > 0) {
    headers['RateLimit-Policy'] = decision.rules.map(policy).join(', ');
    headers['RateLimit'] = decision.rules.map(serviceLimit).join(', ');
  }
  if (!decision.allowed && Number.isFinite(decision.retryAfterMs)) {
    headers['Retry-After'] = String(Math.max(1, seconds(decision.retryAfterMs)));
  }
  return legacy === undefined ? headers : { ...headers, ...legacyHeaders(decision, legacy) };
}

function policy({ rule, algorithm, limit, perMs }: RuleDecision): string {
  // The life of a slot is no window: it says nothing about how many calls may be made in it.
  const quota =
    algorithm === 'concurrency' ? ';qu="concurrent-requests"' : `;w=${Math.max(1, seconds(perMs))}`;
  return `${text(rule)};q=${integer(limit)}${quota}`;
}

function serviceLimit(rule: RuleDecision): string {
  const window = effectiveWindow(rule);
  return `${text(rule.rule)};r=${integer(rule.remaining)}${window === undefined ? '' : `;t=${window}`}`;
}

/**
 * The seconds within which no more than what remains can be used. For a refusal the same as `Retry-After`, which
 * the draft does not want to end before it. Undefined: there is no such time.
 */
function effectiveWindow(of: Pick<RuleDecision, 'allowed' | 'retryAfterMs' | 'resetMs'>): number | undefined {
  if (of.allowed) return seconds(of.resetMs);
  return Number.isFinite(of.retryAfterMs) ? Math.max(1, seconds(of.retryAfterMs)) : undefined;
}

function legacyHeaders(decision: Decision, reset: 'delta' | 'epoch'): Record<string, string> {
  const window = effectiveWindow(decision);
  const headers: Record<string, string> = {
    'X-RateLimit-Limit': integer(decision.limit),
    'X-RateLimit-Remaining': integer(decision.remaining),
  };
  if (window !== undefined) {
    headers['X-RateLimit-Reset'] = String(reset === 'delta' ? window : seconds(Date.now()) + window);
  }
  return headers;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

/** An integer of structured fields has at most 15 digits. */
function integer(value: number): string {
  return String(Math.min(value, 999_999_999_999_999));
}

/** A string of structured fields: printable ASCII. What else stands in a name is written as in a URL. */
function text(name: string): string {
  const ascii = name
    .replace(/[^ -~]+/gu, (other) =>
      [...Buffer.from(other)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    )
    .replace(/["\\]/g, '\\$&');
  return `"${ascii}"`;
}
